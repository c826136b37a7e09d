import { promptSchema, SolopoError } from '@solopo/contracts';
import { TextModel } from '@solopo/text';
import { describe, expect, it } from 'vitest';
import { retrievalTokenizer } from '../retrieval/tokenizer.ts';
import { framePrompt, promptMessages, renderDocument } from './prompt.ts';

const prompt = promptSchema.parse({});
const text = TextModel.fromFiles(retrievalTokenizer());

describe('a prompt', () => {
  it('leaves braces and dollars in documents and questions as they are', () => {
    const document = { title: 'T', text: '{title} $& {question}', relevant: true };
    expect(renderDocument(document, prompt)).toBe('T\n{title} $& {question}');
    expect(promptMessages('{documents}?', '{question} $1', prompt).at(-1)?.content).toBe(
      'Answer the question from the documents.\n\n{question} $1\n\nQuestion: {documents}?',
    );
  });

  it('has no empty line for a title that is not there', () => {
    expect(renderDocument({ text: 'x', relevant: false }, prompt)).toBe('x');
  });

  it('puts the system prompt first', () => {
    expect(promptMessages('q', 'd', { ...prompt, system: 's' }).map(({ role }) => role)).toEqual(['system', 'user']);
  });

  it('is framed around its documents', () => {
    expect(framePrompt('who', { ...prompt, user: 'a {documents} b {question}' }, text)).toEqual({
      head: 'a ',
      tail: ' b who ',
    });
    expect(() => framePrompt('who', { ...prompt, user: '{documents} {documents} {question}' }, text)).toThrow(
      SolopoError,
    );
  });
});
