import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Example } from '@solopo/contracts';
import { Random } from '@solopo/random';
import { expect, it } from 'vitest';
import { DocumentFile } from './document-file.ts';
import { documentsOf, DocumentPool } from './document-pool.ts';

const examples: Example[] = Array.from({ length: 40 }, (_, index) => ({
  id: `q${index}`,
  question: 'Who?',
  answers: ['Ada'],
  documents: [
    { title: `Ünïcode ${index % 7} 🦜`, text: `Text ${index}`, relevant: true },
    { text: `Also ${index}`, relevant: false },
  ],
}));

it('gives a pool what memory gives it, and leaves no file', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'documents-'));
  try {
    const file = new DocumentFile(join(folder, 'pool'));
    for (let at = 0; at < examples.length; at += 7) file.append(documentsOf(examples.slice(at, at + 7)));
    expect(await readdir(folder)).toEqual([]);
    const all = documentsOf(examples);
    expect([file.length, file.at(all.length), file.at(-1)]).toEqual([all.length, undefined, undefined]);
    expect(Array.from(all, (_, index) => file.at(index))).toEqual(all);
    const drawn = (pool: DocumentPool) => [...pool.draw(examples[3]!, new Random('pool', 1))];
    expect(drawn(new DocumentPool(file))).toEqual(drawn(new DocumentPool(all)));
    file.close();
  } finally {
    await rm(folder, { recursive: true });
  }
});
