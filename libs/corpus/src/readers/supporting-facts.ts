import { answerSchema, exampleSchema, statedSchema, type Example } from '@solopo/contracts';
import { z } from 'zod';
import { distinctDocuments, isStated } from './documents.ts';
import { rowsSchema } from './rows.ts';

/** What HotpotQA and 2WikiMultihopQA share: paragraphs as lists of sentences, and which sentences support the answer. */
const recordSchema = z.object({
  _id: z.string().min(1),
  question: statedSchema,
  answer: answerSchema,
  context: rowsSchema(z.object({ title: z.string(), sentences: z.array(z.string()) })),
  supporting_facts: rowsSchema(z.object({ title: z.string(), sent_id: z.int() })),
});

type SupportingFactsRecord = z.infer<typeof recordSchema>;

/** A paragraph is relevant when one of its sentences is a supporting fact. A paragraph that is there twice is taken once. */
export function supportingFactsSchema(join: (sentences: readonly string[]) => string): z.ZodType<Example> {
  return z
    .preprocess(withItsId, recordSchema)
    .superRefine(demandEvidence)
    .transform(({ _id, question, answer, context, supporting_facts }) => {
      const supporting = new Set(supporting_facts.map(({ title }) => title));
      const paragraphs = context.map(({ title, sentences }) => ({
        title,
        text: join(sentences).trim(),
        relevant: supporting.has(title),
      }));
      return { id: _id, question, answers: [answer], documents: distinctDocuments(paragraphs) };
    })
    .pipe(exampleSchema);
}

/** Copies of both corpora on the Hugging Face Hub have it as `id`. */
function withItsId(value: unknown): unknown {
  if (typeof value !== 'object' || value === null || !('id' in value) || '_id' in value) return value;
  return { ...value, _id: value.id };
}

function demandEvidence({ context, supporting_facts }: SupportingFactsRecord, issues: z.RefinementCtx): void {
  const titles = new Set(context.map(({ title }) => title));
  const told = new Set(context.filter(({ sentences }) => isStated(sentences.join(''))).map(({ title }) => title));
  for (const { title } of supporting_facts) {
    if (told.has(title)) continue;
    const fault = titles.has(title) ? 'has no text' : 'is not a title of context';
    issues.addIssue({ code: 'custom', path: ['supporting_facts'], message: `${JSON.stringify(title)} ${fault}` });
  }
}
