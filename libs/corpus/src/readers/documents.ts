import { statedSchema, type Document } from '@solopo/contracts';

/** Whether a text says something: documents, answers and questions that do not are none. */
export function isStated(text: string): boolean {
  return statedSchema.safeParse(text).success;
}

/** Those that say something, each once. One that is there twice is relevant where either is. */
export function distinctDocuments(paragraphs: readonly Required<Document>[]): Document[] {
  const documents = new Map<string, Document>();
  for (const { title, text, relevant } of paragraphs) {
    if (!isStated(text)) continue;
    const key = JSON.stringify([title, text]);
    documents.set(key, { title, text, relevant: relevant || documents.get(key)?.relevant === true });
  }
  return [...documents.values()];
}
