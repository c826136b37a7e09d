import { SolopoError, type PromptConfig } from '@solopo/contracts';
import { framePrompt, promptMessages } from '@solopo/corpus';
import type { Message, TextModel } from '@solopo/text';

export interface PairTokens {
  readonly question: string;
  /** The rendered prompt of one of the pair's contexts. */
  readonly context: Int32Array;
  readonly chosen: Int32Array;
  readonly rejected: Int32Array;
}

export interface PairSource {
  readonly text: TextModel;
  readonly prompt: PromptConfig;
}

/** Tokens of a prompt that are enough to see what is written behind it. */
const LAST_OF_CONTEXT = 16;

type Format = (pair: PairTokens, source: PairSource) => object;

export const PAIR_FORMATS = {
  trl,
  'trl-tokens': trlTokens,
  'trl-conversational': trlConversational,
  'llama-factory': llamaFactory,
} as const satisfies Record<string, Format>;

export type PairFormat = keyof typeof PAIR_FORMATS;

/**
 * TRL's standard preference format: the texts as the model saw them, special tokens written out, but for what the
 * tokenizer puts before every text.
 */
function trl({ question, context, chosen, rejected }: PairTokens, { text, prompt }: PairSource): object {
  const { before } = text.added;
  if (!sameTokens(context.subarray(0, before.length), before))
    throw unreadable(
      `The tokenizer puts ${text.decode(before)} before every text, and the prompt of "${question}" has none`,
    );
  const tokens = context.subarray(before.length);
  const written = text.decode(tokens);
  if (prompt.controlTokens === 'text' && !sameTokens(text.encode(written), tokens)) throw controlTokensAsText(question);
  return {
    prompt: written,
    chosen: responseText(context, chosen, text),
    rejected: responseText(context, rejected, text),
  };
}

/** What TRL's trainers make of either format: a data set that needs no preparation. The very tokens, whatever they are. */
function trlTokens({ context, chosen, rejected }: PairTokens): object {
  return { prompt_ids: [...context], chosen_ids: [...chosen], rejected_ids: [...rejected] };
}

/**
 * Whether TRL reads texts of the model as the tokens that were scored: its trainer puts the tokenizer's end token behind
 * every text that does not end with it, so an answer must, and only once.
 *
 * @throws SolopoError `conflict`
 */
export function demandTrlTexts(text: TextModel, cutAnswers: number): void {
  const { eosToken, added, responseTail } = text;
  if (cutAnswers > 0)
    throw unreadable(`${cutAnswers} answers were cut and have no end, and TRL puts one behind every text`);
  const end = text.decode(responseTail).trimEnd();
  if (eosToken !== undefined && (added.behind.length > 0 || !end.endsWith(eosToken)))
    throw unreadable(`A turn of this model ends with "${end}", and TRL puts "${eosToken}" behind it`);
}

function controlTokensAsText(question: string): SolopoError {
  return unreadable(`The prompt of "${question}" has a control token as text, which trainers read as that token`);
}

function unreadable(reason: string): SolopoError {
  return new SolopoError('conflict', `${reason}: take format=trl-tokens, which has the tokens themselves.`);
}

/** TRL's conversational preference format: messages, which the model's chat template makes the same prompt of. */
function trlConversational(pair: PairTokens, source: PairSource): object {
  const assistant = (tokens: Int32Array): Message[] => [
    { role: 'assistant', content: answerText(pair.context, tokens, source.text) },
  ];
  return { prompt: messagesOf(pair, source), chosen: assistant(pair.chosen), rejected: assistant(pair.rejected) };
}

/** LLaMA-Factory's sharegpt format with `ranking: true`. */
function llamaFactory(pair: PairTokens, source: PairSource): object {
  const gpt = (tokens: Int32Array) => ({ from: 'gpt', value: answerText(pair.context, tokens, source.text) });
  const messages = messagesOf(pair, source);
  const system = messages.find(({ role }) => role === 'system');
  return {
    ...(system === undefined ? {} : { system: system.content }),
    conversations: messages
      .filter(({ role }) => role === 'user')
      .map(({ content }) => ({ from: 'human', value: content })),
    chosen: gpt(pair.chosen),
    rejected: gpt(pair.rejected),
  };
}

/** To the end of the turn: trainers add an end of their own where a text does not end with it, so no white space may follow. */
function responseText(context: Int32Array, tokens: Int32Array, text: TextModel): string {
  const response = textBehind(context, tokens, text);
  const tail = text.decode(text.responseTail);
  return tail.trim() !== '' && response.endsWith(tail) ? response.slice(0, -tail.length) + tail.trimEnd() : response;
}

/** What the assistant said, without what the template puts behind it. */
function answerText(context: Int32Array, tokens: Int32Array, text: TextModel): string {
  const start = tokens.length - text.responseTail.length;
  const endsWithTail = start >= 0 && text.responseTail.every((id, index) => tokens[start + index] === id);
  return endsWithTail
    ? textBehind(context, tokens.subarray(0, start), text)
    : text.decode(tokens, { skipSpecial: true });
}

/**
 * Some decoders take the space from the beginning of a text (SentencePiece's), or put one between words (WordPiece's): what
 * stands behind a prompt is then not what its tokens are alone. Of the two the one that becomes these tokens there.
 */
function textBehind(context: Int32Array, tokens: Int32Array, text: TextModel): string {
  const end = context.subarray(-LAST_OF_CONTEXT);
  const [before, whole, alone] = text.decodeAll([end, Int32Array.of(...end, ...tokens), tokens]) as [
    string,
    string,
    string,
  ];
  if (!whole.startsWith(before)) return alone;
  const behind = whole.slice(before.length);
  if (behind === alone) return alone;
  const encoded = text.encodeAll([alone, behind].map((answer) => before + answer));
  return [alone, behind].find((_, i) => endsWith(encoded[i] as Int32Array, tokens)) ?? alone;
}

/** The documents are what stands between the prompt's head and tail, as the tokenizer writes these. */
function messagesOf({ question, context }: PairTokens, { text, prompt }: PairSource): Message[] {
  const rendered = text.decode(context);
  const { head, tail } = framePrompt(question, prompt, text);
  const [before, after] = [head, tail].map((part) => text.decode(text.encode(part)).length) as [number, number];
  const messages = promptMessages(question, rendered.slice(before, rendered.length - after), prompt);
  if (sameTokens(text.promptTokens(messages), context)) return messages;
  if (prompt.controlTokens === 'text') throw controlTokensAsText(question);
  throw new SolopoError(
    'conflict',
    `The tokenizer does not give the prompt of "${question}" back as text; take format=trl.`,
  );
}

function endsWith(ids: Int32Array, end: Int32Array): boolean {
  return ids.length >= end.length && sameTokens(ids.subarray(ids.length - end.length), end);
}

function sameTokens(a: Int32Array, b: Int32Array): boolean {
  return a.length === b.length && a.every((id, index) => id === b[index]);
}
