import { DEVICE_CHOICES, ENGINES, type EngineKind } from '@solopo/contracts';
import { jsonText, serviceConfigSchema } from '@solopo/platform';
import { samplersSchema } from '@solopo/sampling-server';
import { z } from 'zod';

export const workerConfigSchema = serviceConfigSchema.extend({
  /** Threads of the numeric engine. Part of its fingerprint: other counts may give other last bits. */
  threads: z.coerce.number().int().min(1).max(256).default(1),
  /** Where the engine computes. Without it, what the manifest of functions says. */
  device: z.enum(DEVICE_CHOICES).optional(),
  /** What it computes with: `onnx`, `torch`, or both with a comma between. Jobs of runs by another engine are not taken. */
  engines: z
    .string()
    .default('onnx')
    .transform((text) => text.split(',').map((word) => word.trim()) as EngineKind[])
    .refine((words) => words.every((word) => ENGINES.includes(word)) && new Set(words).size === words.length, {
      error: `must be some of ${ENGINES.join(', ')}, each once, with commas between them`,
    }),
  /** A Python that has PyTorch, transformers and PEFT. Used where `engines` names torch. */
  torchPython: z.string().min(1).default('python3'),
  /** What the engine may keep on a GPU, in 10^6 bytes; without it, what the GPU has. Batches become smaller, not wrong. */
  maxDeviceMemoryMb: z.coerce.number().int().min(1).optional(),
  /** The largest buffer that a GPU's kernels can read whole, in bytes, where its driver does not refuse larger ones: tables are split. */
  maxBufferBytes: z.coerce
    .number()
    .int()
    .min(2 ** 20)
    .optional(),
  /** Tokens, padding counted, that one batch of sampling or scoring holds: bounds memory. */
  batchTokens: z.coerce.number().int().min(1).default(8192),
  /** What keys and values of the answers under way may take on the processor, in 10^6 bytes. Changes memory and speed, no number. */
  answerCacheMb: z.coerce.number().int().min(1).default(1024),
  /** The servers that runs may name as their sampler, as JSON: `[{"url":"http://vllm:8000"}]`. No other is asked. */
  samplers: jsonText('a list of servers').pipe(samplersSchema).default([]),
});

export type WorkerConfig = z.infer<typeof workerConfigSchema>;
