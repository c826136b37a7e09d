import {
  DEVICE_CHOICES,
  divisorsInWords,
  ENGINES,
  MAX_NODES,
  MAX_RANKS,
  worldSize,
  type EngineKind,
} from '@solopo/contracts';
import { jsonText, serviceConfigSchema } from '@solopo/platform';
import { samplersSchema } from '@solopo/sampling-server';
import { z } from 'zod';

const settings = serviceConfigSchema.extend({
  /** Threads of the numeric engine, divided among its ranks. Part of its fingerprint: other counts may give other last bits. */
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
  /** Processes of PyTorch on this machine that train one model together, one a GPU. `engines` must name torch. */
  ranks: wholeUpTo(MAX_RANKS).default(1),
  /** Machines with so many ranks each. On the others `python -m solopo_torch.follow` runs. */
  nodes: wholeUpTo(MAX_NODES).default(1),
  /** Where the ranks of several machines meet: `host:port` on the machine of this worker. */
  rendezvous: z
    .string()
    .regex(/^(\[[0-9a-fA-F:.]+\]|[^\s:/[\]]+):\d{1,5}$/, 'must be host:port, such as trainer-0.trainer:29500')
    .optional(),
  /** Neighbouring ranks that share each sequence, for contexts that one device has no room for. */
  sequenceRanks: wholeUpTo(MAX_RANKS * MAX_NODES).default(1),
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

/** Each is told of a setting that is set: of others it is said that they are not. */
function checkRanks(
  { ranks, nodes, rendezvous, sequenceRanks, engines }: z.infer<typeof settings>,
  context: z.RefinementCtx,
): void {
  const refuse = (path: keyof typeof settings.shape, message: string): void =>
    context.addIssue({ code: 'custom', path: [path], message });
  const world = worldSize({ ranks, nodes });
  if (world > 1 && !engines.includes('torch'))
    refuse(
      ranks > 1 ? 'ranks' : 'nodes',
      'is more than 1, and SOLOPO_ENGINES has no torch: PyTorch alone computes over several ranks; add torch there, or leave this at 1',
    );
  if (nodes > 1 && rendezvous === undefined)
    refuse(
      'nodes',
      'is more than 1, and nothing says where the ranks of the machines meet; set SOLOPO_RENDEZVOUS to host:port of this one',
    );
  if (world % sequenceRanks !== 0)
    refuse(
      'sequenceRanks',
      `does not divide the ranks on all machines, which are ${world}; set it to ${divisorsInWords(world)}`,
    );
}

export const workerConfigSchema = settings.superRefine(checkRanks);

export type WorkerConfig = z.infer<typeof workerConfigSchema>;

function wholeUpTo(most: number) {
  const error = `must be a whole number from 1 to ${most}`;
  return z.coerce.number({ error }).int({ error }).min(1, { error }).max(most, { error });
}
