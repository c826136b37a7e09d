import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { LanguageModel, Runtime, sample } from '@solopo/lm';
import { TextModel } from '@solopo/text';
import { UsageError } from '../usage.error.ts';

export interface GenerateOptions {
  readonly folder: string;
  readonly prompt: string;
  readonly chat: boolean;
  readonly maxNewTokens: number;
  readonly threads: number;
}

export interface Generated {
  /** With the prompt, where it is no message of a chat. */
  readonly text: string;
  readonly promptIds: readonly number[];
  readonly ids: readonly number[];
  readonly finish: 'stop' | 'length';
}

/** Greedy decoding from a model folder. */
export async function generate({ folder, prompt, chat, maxNewTokens, threads }: GenerateOptions): Promise<Generated> {
  const text = await TextModel.fromFolder(folder);
  const tokens = chat
    ? text.promptTokens([{ role: 'user', content: prompt }])
    : Int32Array.from([...(await firstIds(folder, text)), ...(prompt === '' ? [] : text.encode(prompt))]);
  if (tokens.length === 0)
    throw new UsageError("This model's texts have no first token; give it something to go on with --prompt.");
  const runtime = new Runtime({ threads });
  try {
    const model = LanguageModel.fromFolder(folder, runtime);
    const [[answer] = []] = await sample(model, [{ tokens, key: [0, 0] }], {
      samplesPerPrompt: 1,
      temperature: 0,
      topP: 1,
      maxNewTokens,
      eosIds: text.eosIds,
      seed: 0,
    });
    const { tokens: ids = new Int32Array(), finish = 'length' } = answer ?? {};
    const shown = chat ? ids : [...tokens, ...ids];
    return { text: text.decode(shown, { skipSpecial: true }), promptIds: [...tokens], ids: [...ids], finish };
  } finally {
    await runtime.close();
  }
}

/** The token that begins a text, where the tokenizer puts one there. */
async function firstIds(folder: string, text: TextModel): Promise<readonly number[]> {
  const { bos_token: bos, add_bos_token: isAdded } = await readJson(join(folder, 'tokenizer_config.json'));
  const token = bos !== null && typeof bos === 'object' && 'content' in bos ? bos.content : bos;
  if (typeof token !== 'string' || isAdded === false) return [];
  const { post_processor: processor } = await readJson(join(folder, 'tokenizer.json'));
  if (isAdded !== true && !JSON.stringify(processor ?? null).includes(JSON.stringify(token))) return [];
  const id = text.idOf(token);
  return id === undefined ? [] : [id];
}

async function readJson(path: string): Promise<Record<string, unknown>> {
  return JSON.parse(await readFile(path, 'utf8')) as Record<string, unknown>;
}
