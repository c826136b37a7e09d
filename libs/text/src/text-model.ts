import type { Message } from './chat-template.ts';
import { ChatTemplate } from './chat-template.ts';
import type { SpecialTokens } from './special-tokens.ts';
import { specialTokens } from './special-tokens.ts';
import type { Tokenizer } from './tokenizer.ts';
import { openTokenizer } from './tokenizer.ts';
import type { JsonObject, TextFiles } from './text-files.ts';
import { isObject, optionalJson, readTextFiles, requiredJson } from './text-files.ts';
import { TextModelError } from './text-model.error.ts';

/** Stands for an answer while the template is asked what it puts after one. */
const PLACEHOLDER = 'SOLOPO-ANSWER';
const QUESTION: Message = { role: 'user', content: 'SOLOPO-QUESTION' };

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
  readonly #cleanUp: boolean;
  /** Ids that end generation. At least one. */
  readonly eosIds: readonly number[];
  /** The text of the tokenizer's own end token, which trainers put behind a text that does not end with it. */
  readonly eosToken: string | undefined;
  /** What the tokenizer puts around a text where it is not asked to leave it out: transformers' default. */
  readonly added: { readonly before: Int32Array; readonly behind: Int32Array };
  /** Texts that become a token of their own which steers, such as the end of a turn: the tokenizer's special tokens. */
  readonly controlTokens: readonly string[];
  /** The id to fill batches with. */
  readonly padId: number;
  /** One more than the greatest id of the tokenizer. A model's embedding may be larger. */
  readonly vocabularySize: number;
  /**
   * The ids that the template puts after an assistant's content: end of turn and trailer. The response of a sample is
   * its ids, without the end token it stopped at, then these.
   */
  readonly responseTail: Int32Array;

  private constructor(
    tokenizer: Tokenizer,
    tokenizerJson: JsonObject,
    tokenizerConfig: JsonObject,
    special: SpecialTokens,
    files: TextFiles,
  ) {
    this.#tokenizer = tokenizer;
    this.#template = ChatTemplate.of(files, tokenizerConfig, special.texts);
    this.#cleanUp = tokenizerConfig['clean_up_tokenization_spaces'] === true;
    this.eosIds = special.eosIds;
    this.padId = special.padId;
    this.eosToken = special.texts.eos_token;
    this.controlTokens = specialTexts(tokenizerJson['added_tokens']);
    this.vocabularySize = 1 + [...tokenizer.get_vocab().values()].reduce((greatest, id) => Math.max(greatest, id), -1);
    this.#demandQuestion();
    this.responseTail = this.encode(this.#tailText());
    this.added = this.#addedTokens();
  }

  /** Reads tokenizer.json, tokenizer_config.json, and where there are such chat_template.jinja, generation_config.json, config.json. */
  static async fromFolder(folder: string): Promise<TextModel> {
    return TextModel.fromFiles(await readTextFiles(folder));
  }

  /** The same from the files' texts. */
  static fromFiles(files: TextFiles): TextModel {
    const tokenizerJson = requiredJson(files, 'tokenizer.json');
    const tokenizerConfig = requiredJson(files, 'tokenizer_config.json');
    const tokenizer = openTokenizer(tokenizerJson, tokenizerConfig);
    const special = specialTokens(
      tokenizerConfig,
      optionalJson(files, 'generation_config.json'),
      optionalJson(files, 'config.json'),
      (token) => tokenizer.token_to_id(token),
    );
    return new TextModel(tokenizer, tokenizerJson, tokenizerConfig, special, files);
  }

  encode(text: string): Int32Array {
    const { ids } = this.#tokenizer.encode(text, { add_special_tokens: false });
    return Int32Array.from(ids, (id) => id ?? noToken());
  }

  /** Ids without a token (an embedding may have more rows than the tokenizer has tokens) decode to nothing. */
  decode(ids: ArrayLike<number>, options: { readonly skipSpecial?: boolean } = {}): string {
    const known = Array.from(ids).filter((id) => this.#tokenizer.id_to_token(id) !== undefined);
    if (known.length === 0) return '';
    return this.#tokenizer.decode(known, {
      skip_special_tokens: options.skipSpecial ?? false,
      clean_up_tokenization_spaces: this.#cleanUp,
    });
  }

  idOf(token: string): number | undefined {
    return this.#tokenizer.token_to_id(token);
  }

  renderPrompt(messages: readonly Message[]): string {
    return this.#template.render(messages, true);
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
    const whole = this.#template.render([...messages, { role: 'assistant', content: answer }], false);
    if (!whole.startsWith(prompt)) return this.encode(answer + this.#tailText());
    const promptIds = this.encode(prompt);
    const wholeIds = this.encode(whole);
    return promptIds.every((id, index) => wholeIds[index] === id)
      ? wholeIds.slice(promptIds.length)
      : this.encode(whole.slice(prompt.length));
  }

  #addedTokens(): TextModel['added'] {
    const plain = this.encode(QUESTION.content);
    const whole = Int32Array.from(this.#tokenizer.encode(QUESTION.content, { add_special_tokens: true }).ids);
    const start = whole.findIndex((_, from) => plain.every((id, index) => whole[from + index] === id));
    return { before: whole.slice(0, Math.max(0, start)), behind: whole.slice(Math.max(0, start) + plain.length) };
  }

  #demandQuestion(): void {
    if (!this.renderPrompt([QUESTION]).includes(QUESTION.content)) {
      throw new TextModelError(this.#template.file, "chat template leaves out the user's content; correct it");
    }
  }

  #tailText(): string {
    const rendered = this.#template.render([QUESTION, { role: 'assistant', content: PLACEHOLDER }], false);
    const start = rendered.lastIndexOf(PLACEHOLDER);
    if (start < 0) {
      throw new TextModelError(this.#template.file, "chat template leaves out the assistant's content; correct it");
    }
    return rendered.slice(start + PLACEHOLDER.length);
  }
}

function specialTexts(addedTokens: unknown): string[] {
  return (Array.isArray(addedTokens) ? addedTokens : []).flatMap((token: unknown) =>
    isObject(token) && token['special'] === true && typeof token['content'] === 'string' ? [token['content']] : [],
  );
}

function noToken(): never {
  throw new TextModelError('tokenizer.json', 'no token for a piece of text; name an unk_token that model.vocab has');
}
