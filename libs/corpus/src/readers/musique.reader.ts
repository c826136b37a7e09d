import { answerSchema, exampleSchema, statedSchema, type Example } from '@solopo/contracts';
import { z } from 'zod';
import { distinctDocuments, isStated } from './documents.ts';
import { rowsSchema } from './rows.ts';

const paragraphSchema = z
  .object({ title: z.string(), paragraph_text: z.string(), is_supporting: z.boolean() })
  .refine(({ paragraph_text, is_supporting }) => !is_supporting || isStated(paragraph_text), {
    path: ['paragraph_text'],
    error: 'must not be blank',
  });

/** A record of MuSiQue as published, or exported: supporting paragraphs are relevant, aliases are further gold answers. */
export const musiqueSchema: z.ZodType<Example> = z
  .object({
    id: z.string().min(1),
    question: statedSchema,
    answer: answerSchema,
    answer_aliases: z.array(z.string().trim()).nullish(),
    answerable: z.boolean().nullish(),
    paragraphs: rowsSchema(paragraphSchema),
  })
  .refine(({ answerable }) => answerable !== false, { path: ['answerable'], error: 'must be true' })
  .transform((record) => ({
    id: record.id,
    question: record.question,
    answers: [...new Set([record.answer, ...(record.answer_aliases ?? []).filter(isStated)])],
    documents: distinctDocuments(
      record.paragraphs.map(({ title, paragraph_text, is_supporting }) => ({
        title,
        text: paragraph_text,
        relevant: is_supporting,
      })),
    ),
  }))
  .pipe(exampleSchema);
