import { fileURLToPath } from 'node:url';
import { TextModel } from '@solopo/text';
import { expect, it } from 'vitest';
import { piecesOf, segmentsOf } from './token-text.ts';

const QWEN = fileURLToPath(new URL('../../../../data/models/qwen2.5-0.5b-instruct', import.meta.url));

it('cuts a text at its evidence and loses nothing of it', async () => {
  const text = await TextModel.fromFolder(QWEN);
  const [before, evidence, after] = ['Paris\nis a town. ', 'Żółć 東京 — 42 😀\n\n', 'And so on?'].map((part) =>
    text.encode(part),
  );
  const tokens = Int32Array.of(...before!, ...evidence!, ...after!);
  const [start, end] = [before!.length, before!.length + evidence!.length];

  const segments = segmentsOf(text, tokens, [{ document: 0, start, end }]);
  expect(segments).toEqual([
    { text: 'Paris\nis a town. ', evidence: false },
    { text: 'Żółć 東京 — 42 😀\n\n', evidence: true },
    { text: 'And so on?', evidence: false },
  ]);
  expect(segmentsOf(text, tokens, [])).toEqual([{ text: text.decode(tokens), evidence: false }]);
  expect(segmentsOf(text, tokens, [{ document: 0, start: 0, end: tokens.length }])).toHaveLength(1);
});

it('gives each token the text that it adds', async () => {
  const text = await TextModel.fromFolder(QWEN);
  const tokens = text.encode('The answer is Paris.<|im_end|>\n');
  expect(piecesOf(text, tokens)).toEqual(['The', ' answer', ' is', ' Paris', '.', '<|im_end|>', '\n']);
  expect(piecesOf(text, new Int32Array())).toEqual([]);
});
