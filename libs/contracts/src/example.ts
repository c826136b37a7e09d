import { z } from 'zod';

/** Something to see in it: not white space alone, nor characters without a shape. */
const visible = /[^\s\p{Cc}\p{Cf}]/u;
/** Text that says something. */
export const statedSchema = z.string().regex(visible, 'must not be blank');
/** The same without the white space around it. */
export const answerSchema = z.string().trim().regex(visible, 'must not be blank');

/** One passage of an example's context. `relevant` passages are the evidence and are never left out. */
export const documentSchema = z.strictObject({
  title: z.string().optional(),
  text: statedSchema,
  relevant: z.boolean(),
});

/** A question with its documents and gold answers: one line of the project's own JSON-lines format. */
export const exampleSchema = z.strictObject({
  id: z.string().min(1),
  question: statedSchema,
  /** Gold answers; the first is the canonical one, the rest are aliases. */
  answers: z.array(answerSchema).min(1),
  documents: z.array(documentSchema).min(1),
});

export type Document = z.infer<typeof documentSchema>;
export type Example = z.infer<typeof exampleSchema>;

export const DATASET_FORMATS = ['solopo', 'musique', 'hotpotqa', '2wiki'] as const;
export type DatasetFormat = (typeof DATASET_FORMATS)[number];
