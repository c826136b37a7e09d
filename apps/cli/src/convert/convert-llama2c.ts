import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { formatModelConfig, parameterCount, readLlama2c, writeSafetensors } from '@solopo/lm';
import { llama2cTokenizerFiles } from '@solopo/text';
import { withDraftFolder } from '../export/draft-folder.ts';
import { UsageError } from '../usage.error.ts';

export interface Llama2cFiles {
  readonly weights: string;
  readonly tokenizer: string;
  readonly out: string;
}

/** Writes a Hugging Face folder with the weights, the configuration and the tokenizer of a llama2.c model. */
export async function convertLlama2c({ weights: model, tokenizer, out }: Llama2cFiles) {
  const { config, weights } = readLlama2c(await read(model));
  const text: Readonly<Record<string, string>> = llama2cTokenizerFiles(await read(tokenizer));
  await withDraftFolder(out, async (folder) => {
    writeSafetensors(join(folder, 'model.safetensors'), weights);
    const json = { ...formatModelConfig(config), bos_token_id: 1, eos_token_id: 2 };
    await writeFile(join(folder, 'config.json'), `${JSON.stringify(json, null, 2)}\n`);
    for (const [file, content] of Object.entries(text)) await writeFile(join(folder, file), content);
  });
  return {
    folder: out,
    parameters: parameterCount(config),
    files: ['config.json', 'model.safetensors', ...Object.keys(text)].sort(),
  };
}

async function read(file: string): Promise<Buffer> {
  try {
    return await readFile(file);
  } catch (error) {
    throw new UsageError(`${file} cannot be read; name an existing file.`, { cause: error });
  }
}
