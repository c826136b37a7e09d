import type { Document, Example } from '@solopo/contracts';
import { normalizeCase } from '../normalize.ts';
import type { Random } from '@solopo/random';

/** A document, and the id of the example that has it. */
export interface OwnedDocument {
  readonly document: Document;
  readonly owner: string;
}

/** Documents by their number: in memory, or in a file. */
export interface OwnedDocuments {
  readonly length: number;
  at(index: number): OwnedDocument | undefined;
}

export function documentsOf(examples: Iterable<Example>): OwnedDocument[] {
  return [...examples].flatMap(({ id, documents }) => documents.map((document) => ({ document, owner: id })));
}

/** The documents of all examples, to lengthen the contexts of those that have too few of their own. */
export class DocumentPool {
  readonly #documents: OwnedDocuments;

  /** What is drawn depends on the documents and their order. */
  constructor(documents: OwnedDocuments) {
    this.#documents = documents;
  }

  /**
   * Documents of other examples in random order, each text once, none that `example` has and none with a gold answer.
   * Yes and no are no such answers: nearly every text has a "no" in it, and none gives the answer away by that.
   */
  *draw(example: Example, random: Random): Generator<Document, void, undefined> {
    const answers = example.answers.map(normalizeCase).filter((answer) => !['', 'yes', 'no'].includes(answer));
    const seen = new Set(example.documents.map(textOf));
    for (const index of randomOrder(this.#documents.length, random)) {
      const { document, owner } = this.#documents.at(index)!;
      const text = textOf(document);
      if (owner === example.id || seen.has(text)) continue;
      seen.add(text);
      const normalized = normalizeCase(text);
      if (!answers.some((answer) => normalized.includes(answer))) yield document;
    }
  }
}

function textOf({ title, text }: Document): string {
  return `${title ?? ''}\n${text}`;
}

/** Fisher and Yates's shuffle of 0 .. count - 1, only as far as it is read. */
function* randomOrder(count: number, random: Random): Generator<number, void, undefined> {
  const moved = new Map<number, number>();
  for (let place = 0; place < count; place++) {
    const other = random.between(place, count - 1);
    yield moved.get(other) ?? other;
    moved.set(other, moved.get(place) ?? place);
  }
}
