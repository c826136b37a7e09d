import type { Message } from './chat-template.ts';
import { ChatTemplate } from './chat-template.ts';
import { specialTokens } from './special-tokens.ts';
import { autoTokenizer } from './auto-tokenizer.ts';
import { cleanedUp } from './clean-up.ts';
import type { LocalParting } from './local-parting.ts';
import { localParting } from './local-parting.ts';
import { Tokenizer } from './tokenizer.ts';
import type { TokenizerSource } from './tokenizer.messages.ts';
import { TokenCache } from './token-cache.ts';
import type { TextFile, TextFiles, TextFolder } from './text-files.ts';
import { parseTextFiles, readTextFiles } from './text-files.ts';
import { TextModelError } from './text-model.error.ts';

/** Stands for an answer while the template is asked what it puts after one. */
const PLACEHOLDER = 'SOLOPO-ANSWER';
const QUESTION: Message = { role: 'user', content: 'SOLOPO-QUESTION' };
const KEPT_BYTES = 96 * 2 ** 20;

/** Of all models of this process. */
const kept = new TokenCache(KEPT_BYTES);

export interface DecodeOptions {
  readonly skipSpecial?: boolean;
}

/**
 * A language model's text side: its tokenizer and chat template, from a Hugging Face folder.
 *
 * A prompt is the template's rendering of the messages with the generation prompt. A response is the template's
 * rendering of prompt and answer minus that prefix, so the end-of-turn token and the template's trailer belong to it
 * and are scored (TRL's convention). No special tokens are added beyond those in the text.
 */
export class TextModel {
  readonly #tokenizer: Tokenizer;
  readonly #template: ChatTemplate;
  readonly #cleansUp: boolean;
  /** Ids that end generation. At least one. */
  readonly eosIds: readonly number[];
  /** The text of the tokenizer's own end token, which trainers put behind a text that does not end with it. */
  readonly eosToken: string | undefined;
  /** What the tokenizer puts around a text where it is not asked to leave it out: transformers' default. */
  readonly added: { readonly before: Int32Array; readonly behind: Int32Array };
  /** Texts that become a token of their own which steers, such as the end of a turn: the tokenizer's special tokens. */
  readonly controlTokens: readonly string[];
  /** The file that the chat template is in. */
  readonly templateFile: TextFile;
  /** The id of what the tokenizer does not know, where it has one. */
  readonly unknownId: number | undefined;
  /** The id to fill batches with. */
  readonly padId: number;
  /** One more than the greatest id of the tokenizer. A model's embedding may be larger. */
  readonly vocabularySize: number;
  /** Where it parts texts by what is near alone; then what was encoded apart can be put together. */
  readonly parting: LocalParting | undefined;
  /**
   * The ids that the template puts after an assistant's content: end of turn and trailer. The response of a sample is
   * its ids, without the end token it stopped at, then these.
   */
  readonly responseTail: Int32Array;

  /** Of the files of a folder, read, or of the same made from another format. */
  constructor(folder: TextFolder) {
    const { source, config, cleansUp } = autoTokenizer(folder);
    const tokenizer = new Tokenizer(source);
    const special = specialTokens(config, folder.generationConfig, folder.config, (token) => tokenizer.idOf(token));
    this.#tokenizer = tokenizer;
    this.#template = ChatTemplate.of(folder.chatTemplate, config, special.texts);
    this.templateFile = this.#template.file;
    this.#cleansUp = cleansUp;
    this.eosIds = special.eosIds;
    this.padId = special.padId;
    this.eosToken = special.texts.eos_token;
    this.unknownId = tokenizer.idOf(special.texts.unk_token ?? unknownOf(source));
    this.controlTokens = controlTextsOf(source);
    this.vocabularySize = tokenizer.vocabularySize;
    this.parting = localParting(source);
    this.#demandQuestion();
    this.responseTail = this.encode(this.#tailText());
    this.added = this.#addedTokens();
  }

  /** Reads TEXT_FILES, all of which but the first two may be missing. */
  static async fromFolder(folder: string): Promise<TextModel> {
    return TextModel.fromFiles(await readTextFiles(folder));
  }

  /** The same from the files' texts. */
  static fromFiles(files: TextFiles): TextModel {
    return new TextModel(parseTextFiles(files));
  }

  encode(text: string): Int32Array {
    return this.encodeAll([text])[0] as Int32Array;
  }

  /** At once, which is much faster than one by one. */
  encodeAll(texts: readonly string[]): Int32Array[] {
    return this.#tokenizer.encode(texts);
  }

  /** For texts that come again: their ids are kept, within bounds. Do not write to them. */
  encodeKept(texts: readonly string[]): Int32Array[] {
    const keys = texts.map((text) => this.#tokenizer.keyOf(text));
    const found = keys.map((key) => kept.get(key));
    const missing = new Map(keys.flatMap((key, index) => (found[index] ? [] : [[key, texts[index] ?? ''] as const])));
    const encoded = this.encodeAll([...missing.values()]);
    const made = new Map([...missing.keys()].map((key, index) => [key, encoded[index] as Int32Array]));
    for (const [key, ids] of made) kept.set(key, ids);
    return keys.map((key, index) => found[index] ?? (made.get(key) as Int32Array));
  }

  /** Ids without a token (an embedding may have more rows than the tokenizer has tokens) decode to nothing. */
  decode(ids: ArrayLike<number>, options: DecodeOptions = {}): string {
    return this.decodeAll([ids], options)[0] as string;
  }

  decodeAll(lists: readonly ArrayLike<number>[], { skipSpecial = false }: DecodeOptions = {}): string[] {
    const texts = this.#tokenizer.decode(
      lists.map((ids) => Int32Array.from(ids)),
      skipSpecial,
    );
    return texts.map((text) => (this.#cleansUp ? cleanedUp(text) : text));
  }

  idOf(token: string): number | undefined {
    return this.#tokenizer.idOf(token);
  }

  renderPrompt(messages: readonly Message[]): string {
    return this.#template.render(messages, true);
  }

  /** Turns that are there, without the beginning of one to be generated. */
  renderTurns(messages: readonly Message[]): string {
    return this.#template.render(messages, false);
  }

  promptTokens(messages: readonly Message[]): Int32Array {
    return this.encode(this.renderPrompt(messages));
  }

  /**
   * The ids of `answer` as the assistant's answer to `messages`, to the end of the template's trailer.
   * Where prompt and answer merge over their border, or the template renders a past turn otherwise than a turn to be
   * generated, the rest behind the prompt, or the answer and the tail, are encoded on their own: what a sampler that
   * has the prompt's ids could have produced.
   */
  responseTokens(messages: readonly Message[], answer: string): Int32Array {
    const prompt = this.renderPrompt(messages);
    const whole = this.renderTurns([...messages, { role: 'assistant', content: answer }]);
    if (!whole.startsWith(prompt)) return this.encode(answer + this.#tailText());
    const [promptIds, wholeIds] = this.encodeAll([prompt, whole]) as [Int32Array, Int32Array];
    return promptIds.every((id, index) => wholeIds[index] === id)
      ? wholeIds.slice(promptIds.length)
      : this.encode(whole.slice(prompt.length));
  }

  #addedTokens(): TextModel['added'] {
    const plain = this.encode(QUESTION.content);
    const [whole = plain] = this.#tokenizer.encode([QUESTION.content], { addSpecialTokens: true });
    const start = whole.findIndex((_, from) => plain.every((id, index) => whole[from + index] === id));
    return { before: whole.slice(0, Math.max(0, start)), behind: whole.slice(Math.max(0, start) + plain.length) };
  }

  #demandQuestion(): void {
    if (!this.renderPrompt([QUESTION]).includes(QUESTION.content)) {
      throw new TextModelError(this.#template.file, "chat template leaves out the user's content; correct it");
    }
  }

  #tailText(): string {
    const rendered = this.renderTurns([QUESTION, { role: 'assistant', content: PLACEHOLDER }]);
    const start = rendered.lastIndexOf(PLACEHOLDER);
    if (start < 0) {
      throw new TextModelError(this.#template.file, "chat template leaves out the assistant's content; correct it");
    }
    return rendered.slice(start + PLACEHOLDER.length);
  }
}

function unknownOf({ json }: TokenizerSource): string {
  const { unk_token: token } = json['model'] as { readonly unk_token?: unknown };
  return typeof token === 'string' ? token : '';
}

function controlTextsOf({ json, added }: TokenizerSource): string[] {
  const own = (json['added_tokens'] ?? []) as readonly { readonly content: string; readonly special?: boolean }[];
  return [...new Set([...own, ...added].flatMap(({ content, special }) => (special === true ? [content] : [])))];
}
