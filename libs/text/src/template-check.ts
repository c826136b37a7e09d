import type { Message } from './chat-template.ts';
import { TextModelError } from './text-model.error.ts';
import type { TextModel } from './text-model.ts';

/** One thing that was looked at. A warning is what training or serving would suffer from; a note is good to know. */
export interface Finding {
  readonly name: string;
  readonly state: 'ok' | 'note' | 'warning';
  readonly detail: string;
}

const SYSTEM: Message = { role: 'system', content: 'Answer in SOLOPO-STYLE.' };
const QUESTION: Message = { role: 'user', content: 'What is SOLOPO-QUESTION?' };
const ANSWER: Message = { role: 'assistant', content: 'It is SOLOPO-ANSWER.' };
const FURTHER: Message = { role: 'user', content: 'And what is SOLOPO-FURTHER?' };

/** Whether a model's chat template and tokenizer take a prompt apart and put it together again as training needs it. */
export function checkTemplate(text: TextModel): Finding[] {
  return [
    answerBehindPrompt(text),
    endOfTurn(text),
    idsAtTheBorder(text),
    turnsTogether(text),
    ...beginning(text),
    systemMessage(text),
    outerSpaces(text),
  ];
}

function answerBehindPrompt(text: TextModel): Finding {
  const name = 'prompt and answer';
  const prompt = text.renderPrompt([QUESTION]);
  const whole = text.renderTurns([QUESTION, ANSWER]);
  if (!whole.startsWith(prompt)) {
    return {
      name,
      state: 'note',
      detail: `a past answer is rendered otherwise than one to be generated: the prompt ends with ${quote(prompt.slice(-40))}, which does not stand before the answer then; answers are put behind the prompt as they are`,
    };
  }
  const [between = ''] = whole.slice(prompt.length).split(ANSWER.content);
  if (between !== '') {
    return {
      name,
      state: 'note',
      detail: `the template puts ${quote(between)} between prompt and answer; it is scored and trained as part of the answer`,
    };
  }
  return { name, state: 'ok', detail: 'rendered with its answer, a prompt stands before it unchanged' };
}

function endOfTurn(text: TextModel): Finding {
  const name = 'end of turn';
  const tail = [...text.responseTail];
  const ends = tail.find((id) => text.eosIds.includes(id));
  const ending = text.eosIds.map((id) => named(text, id)).join(', ');
  if (ends !== undefined) {
    const behind = text.decode(tail.slice(tail.indexOf(ends) + 1));
    const trailer = behind === '' ? '' : `, then ${quote(behind)}`;
    return {
      name,
      state: 'ok',
      detail: `an answer ends with ${named(text, ends)}${trailer}; generation ends at ${ending}`,
    };
  }
  const written = tail.length === 0 ? 'nothing' : tail.map((id) => named(text, id)).join(' ');
  return {
    name,
    state: 'warning',
    detail: `the template puts ${written} behind an answer, which generation does not end at (it ends at ${ending}): answers would run on to their limit; add the token to eos_token_id in generation_config.json`,
  };
}

function idsAtTheBorder(text: TextModel): Finding {
  const name = 'ids at the border';
  const prompt = text.renderPrompt([QUESTION]);
  const whole = text.renderTurns([QUESTION, ANSWER]);
  const [promptIds, wholeIds] = text.encodeAll([prompt, whole]) as [Int32Array, Int32Array];
  const apart = [...promptIds, ...text.responseTokens([QUESTION], ANSWER.content)];
  if (!whole.startsWith(prompt) || apart.join() === wholeIds.join())
    return { name, state: 'ok', detail: 'prompt and answer have the same ids apart as together' };
  return {
    name,
    state: 'note',
    detail:
      'prompt and answer share a token when they are encoded together; here the answer is encoded on its own, as one that was sampled',
  };
}

function turnsTogether(text: TextModel): Finding {
  const name = 'several turns';
  try {
    const earlier = text.renderTurns([QUESTION, ANSWER]);
    const all = text.renderPrompt([QUESTION, ANSWER, FURTHER]);
    return all.startsWith(earlier)
      ? { name, state: 'ok', detail: 'a conversation begins with its earlier turns, unchanged' }
      : {
          name,
          state: 'note',
          detail: 'earlier turns are rendered otherwise once others follow; prompts here are one turn',
        };
  } catch (error) {
    return { name, state: 'note', detail: `not taken: ${reasonOf(error)}; prompts here are one turn` };
  }
}

/** What stands at the beginning of a prompt, and whether tools that let the tokenizer add it would do so twice. */
function beginning(text: TextModel): Finding[] {
  const name = 'beginning';
  const { before, behind } = text.added;
  const promptIds = text.promptTokens([QUESTION]);
  const first = named(text, promptIds[0] ?? 0);
  const added = [...before].map((id) => named(text, id)).join(' ');
  const stands = before.length > 0 && before.every((id, index) => promptIds[index] === id);
  const tail: Finding[] =
    behind.length === 0
      ? []
      : [
          {
            name: 'end of text',
            state: 'note',
            detail: `the tokenizer puts ${[...behind].map((id) => named(text, id)).join(' ')} behind a text where it is asked for special tokens; prompts here have none`,
          },
        ];
  if (before.length === 0)
    return [
      { name, state: 'ok', detail: `a prompt begins with ${first}; the tokenizer adds nothing before it` },
      ...tail,
    ];
  if (stands) {
    return [
      {
        name,
        state: 'note',
        detail: `the template writes ${added}, and the tokenizer would add it too: encode rendered prompts with add_special_tokens=False elsewhere, as is done here, or they have it twice`,
      },
      ...tail,
    ];
  }
  return [
    {
      name,
      state: 'warning',
      detail: `the tokenizer adds ${added} before a text and the chat template writes none, so that prompts begin with ${first} here: where the model was trained with it, write it into the template`,
    },
    ...tail,
  ];
}

function systemMessage(text: TextModel): Finding {
  const name = 'system message';
  try {
    if (text.renderPrompt([SYSTEM, QUESTION]).includes(SYSTEM.content)) return { name, state: 'ok', detail: 'taken' };
    return { name, state: 'warning', detail: 'left out without a word; set no prompt.system' };
  } catch (error) {
    return { name, state: 'note', detail: `not taken: ${reasonOf(error)}; set no prompt.system` };
  }
}

function outerSpaces(text: TextModel): Finding {
  const name = 'white space';
  const content = ' \n SOLOPO \n ';
  return text.renderPrompt([{ role: 'user', content }]).includes(content)
    ? { name, state: 'ok', detail: 'a message is rendered with its outer white space' }
    : { name, state: 'note', detail: 'outer white space of a message is cut off by the template' };
}

function named(text: TextModel, id: number): string {
  const token = text.decode([id]);
  return token === '' ? `${id}` : `${quote(token)} (${id})`;
}

function quote(text: string): string {
  return JSON.stringify(text);
}

function reasonOf(error: unknown): string {
  if (error instanceof TextModelError) return error.message;
  throw error;
}
