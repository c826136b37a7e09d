import { answerSchema, statedSchema, type Example } from '@solopo/contracts';
import { z } from 'zod';

/** A record of MuSiQue as published: supporting paragraphs are relevant, aliases are further gold answers. */
export const musiqueSchema = z
  .object({
    id: z.string().min(1),
    question: statedSchema,
    answer: answerSchema,
    answer_aliases: z.array(z.string().trim()).default([]),
    answerable: z.boolean().default(true),
    paragraphs: z
      .array(z.object({ title: z.string(), paragraph_text: statedSchema, is_supporting: z.boolean() }))
      .min(1),
  })
  .refine(({ answerable }) => answerable, { path: ['answerable'], error: 'must be true' })
  .transform((record): Example => ({
    id: record.id,
    question: record.question,
    answers: [...new Set([record.answer, ...record.answer_aliases.filter((alias) => alias !== '')])],
    documents: record.paragraphs.map(({ title, paragraph_text, is_supporting }) => ({
      title,
      text: paragraph_text,
      relevant: is_supporting,
    })),
  }));
