import type { Message } from './chat-template.ts';
import { ChatTemplate } from './chat-template.ts';
import { specialTokens } from './special-tokens.ts';
import { autoTokenizer } from './auto-tokenizer.ts';
import { cleanedUp } from './clean-up.ts';
import { ControlTexts, hasMarks } from './control-texts.ts';
import type { TextPart } from './control-texts.ts';
import type { LocalParting } from './local-parting.ts';
import { localParting } from './local-parting.ts';
import { Tokenizer } from './tokenizer.ts';
import type { TokenizerSource } from './tokenizer.messages.ts';
import { TokenCache } from './token-cache.ts';
import type { JsonObject, TextFile, TextFiles, TextFolder } from './text-files.ts';
import { parseTextFiles, readTextFiles } from './text-files.ts';
import { TextModelError } from './text-model.error.ts';
import { tokensWithoutRow } from './tokens-without-row.ts';

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
  readonly #controlTexts: ControlTexts;
  /** The same without tokens beside its model's vocabulary: to it, their texts are text. */
  readonly #plain: () => Tokenizer;
  /** Ids that end generation. At least one. */
  readonly eosIds: readonly number[];
  /** The text of the tokenizer's own end token, which trainers put behind a text that does not end with it. */
  readonly eosToken: string | undefined;
  /** What the tokenizer puts around a text where it is not asked to leave it out: transformers' default. */
  readonly added: { readonly before: Int32Array; readonly behind: Int32Array };
  /**
   * Texts that become a token of their own which steers, such as the end of a turn: the tokenizer's special tokens, and
   * other tokens of their own that the chat template writes, or that tokenizer_config.json lists as chat_control_tokens;
   * and those without a row.
   */
  readonly controlTokens: readonly string[];
  /** The file that the chat template is in. */
  readonly templateFile: TextFile;
  /** The id of what the tokenizer does not know, where it has one. */
  readonly unknownId: number | undefined;
  /** The id to fill batches with. */
  readonly padId: number;
  /** One more than the greatest id of the tokenizer. A model's embedding may be larger. */
  readonly vocabularySize: number;
  /** Added tokens by their ids, for which `vocab_size` of config.json has no room. A text that has one is refused. */
  readonly withoutRow: ReadonlyMap<number, string>;
  /** Where it parts texts by what is near alone; then what was encoded apart can be put together. */
  readonly parting: LocalParting | undefined;
  /**
   * The ids that the template puts after an assistant's content: end of turn and trailer. The response of a sample is
   * its ids, without the end token it stopped at, then these.
   */
  readonly responseTail: Int32Array;

  /** Of the files of a folder, read, or of the same made from another format. */
  constructor(folder: TextFolder) {
    const { source, config, named, cleansUp } = autoTokenizer(folder);
    const tokenizer = new Tokenizer(source);
    const special = specialTokens(named, folder.generationConfig, folder.config, (token) => tokenizer.idOf(token));
    this.#tokenizer = tokenizer;
    this.#template = ChatTemplate.of({ 'chat_template.jinja': folder.chatTemplate }, config, special.texts);
    this.templateFile = this.#template.file;
    this.#cleansUp = cleansUp;
    this.eosIds = special.eosIds;
    this.padId = special.padId;
    this.eosToken = special.texts['eos_token'];
    this.unknownId = tokenizer.idOf(special.texts['unk_token'] ?? unknownOf(source));
    this.withoutRow = tokensWithoutRow(source, folder.config?.['vocab_size'], tokenizer);
    const steering = controlTokensOf(source, config, () => this.#template.literals());
    this.controlTokens = [...new Set([...steering, ...this.withoutRow.values()])];
    this.#controlTexts = new ControlTexts(this.controlTokens);
    let plain: Tokenizer | undefined;
    this.#plain = () => (plain ??= new Tokenizer({ json: { ...source.json, added_tokens: [] }, added: [] }));
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

  /** @throws TextModelError for a text with a token that the model has no row for */
  encode(text: string): Int32Array {
    return this.encodeAll([text])[0] as Int32Array;
  }

  /** At once, which is much faster than one by one. */
  encodeAll(texts: readonly string[]): Int32Array[] {
    return this.#withRows(this.#encodeAll(texts));
  }

  #encodeAll(texts: readonly string[]): Int32Array[] {
    if (!texts.some(hasMarks)) return this.#tokenizer.encode(texts);
    const marked = new Map(texts.flatMap((text, index) => (hasMarks(text) ? [[index, this.#encodeMarked(text)]] : [])));
    const others = this.#tokenizer.encode(texts.filter((text) => !hasMarks(text)));
    return texts.map((_, index) => marked.get(index) ?? (others.shift() as Int32Array));
  }

  /**
   * The text with its control tokens marked: where it is encoded, alone or within another, each of them becomes the tokens
   * of its characters, as `sanitize_control_tokens` has it in transformers. Text marked before is marked anew.
   */
  asText(text: string): string {
    return this.#controlTexts.mark(text);
  }

  /** For texts that come again: their ids are kept, within bounds. Do not write to them. */
  encodeKept(texts: readonly string[]): Int32Array[] {
    // Halves of characters have no bytes of their own.
    const keys = texts.map((text) => this.#tokenizer.keyOf(hasMarks(text) ? `\0${JSON.stringify(text)}` : text));
    const found = keys.map((key) => kept.get(key));
    const missing = new Map(keys.flatMap((key, index) => (found[index] ? [] : [[key, texts[index] ?? ''] as const])));
    const encoded = this.encodeAll([...missing.values()]);
    const made = new Map([...missing.keys()].map((key, index) => [key, encoded[index] as Int32Array]));
    for (const [key, ids] of made) kept.set(key, ids);
    // Another model with this tokenizer may have kept them.
    return this.#withRows(keys.map((key, index) => found[index] ?? (made.get(key) as Int32Array)));
  }

  #withRows(lists: Int32Array[]): Int32Array[] {
    if (this.withoutRow.size === 0) return lists;
    const strange = lists.map((ids) => ids.find((id) => this.withoutRow.has(id))).find((id) => id !== undefined);
    if (strange === undefined) return lists;
    throw new TextModelError(
      'tokenizer.json',
      `${this.withoutRow.get(strange)} has the id ${strange}, for which vocab_size in config.json has no room; take texts with it out, ` +
        'encode it as text with prompt.controlTokens: text, or give the model rows for its tokens (resize_token_embeddings of transformers)',
    );
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

  #encodeMarked(text: string): Int32Array {
    const [first, ...rest] = this.#controlTexts.parts(text) as [TextPart, ...TextPart[]];
    const [start, line] = this.#tokenizer.encode([first.text, '\n']) as [Int32Array, Int32Array];
    const ids = rest.flatMap((part) => (part.text === '' ? [] : [...this.#encodeBehind(line, part)]));
    return Int32Array.from([...start, ...ids]);
  }

  /** Within a text, without what a tokenizer does at a beginning: behind a line break, whose own ids are taken off. */
  #encodeBehind(line: Int32Array, { text, isMarked }: TextPart): Int32Array {
    const tokenizer = isMarked ? this.#plain() : this.#tokenizer;
    const [alone, behind] = tokenizer.encode([text, `\n${text}`]) as [Int32Array, Int32Array];
    const ids = line.every((id, index) => behind[index] === id) ? behind.slice(line.length) : alone;
    const own = this.#tokenizer.idOf(text);
    if (!isMarked || own === undefined || !ids.includes(own)) return ids;
    throw new TextModelError(
      'tokenizer.json',
      `${text} cannot be encoded as text, since the tokenizer makes this token of plain text too; ` +
        'leave prompt.controlTokens at tokens, or take such texts out of the data set',
    );
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

function controlTokensOf({ json, added }: TokenizerSource, config: JsonObject, literals: () => string): string[] {
  const own = (json['added_tokens'] ?? []) as readonly { readonly content: string; readonly special?: boolean }[];
  const all = [...own, ...added];
  const special = new Set(all.flatMap((token) => (token.special === true ? [token.content] : [])));
  const others = all.map(({ content }) => content).filter((content) => !special.has(content));
  const listed = config['chat_control_tokens'];
  if (Array.isArray(listed)) return [...special, ...new Set(others.filter((content) => listed.includes(content)))];
  const written = others.length === 0 ? '' : literals();
  return [...special, ...new Set(others.filter((content) => content.trim() !== '' && written.includes(content)))];
}
