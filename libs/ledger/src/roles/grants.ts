import type { Database } from '../tables/database.ts';

/** Who has a login of its own: each service, and whoever redacts texts. The owner of the tables, who migrates, is none of them. */
export const LEDGER_ROLES = ['gateway', 'datagen', 'reward', 'trainer', 'retention'] as const;

export type LedgerRole = (typeof LEDGER_ROLES)[number];

export interface Grant<C extends string = string> {
  readonly may: readonly ('select' | 'insert' | 'delete')[];
  /** The columns that may be set; whoever locks a row needs one. */
  readonly sets?: readonly C[];
}

export type Grants = { readonly [T in keyof Database]?: Grant<keyof Database[T] & string> };

const READ = { may: ['select'] } as const;
const APPEND = { may: ['select', 'insert'] } as const;

/** Of every service: what moves runs on, and tells about it. */
const WORKFLOW = {
  datasets: READ,
  stages: {
    may: ['select', 'insert'],
    sets: ['state', 'chunks_done', 'revivals', 'result', 'started_at', 'finished_at'],
  },
  stage_chunks: { may: ['select', 'insert'], sets: ['state', 'attempts', 'seconds', 'error', 'items_done'] },
  run_stages: APPEND,
  policy_versions: READ,
  outbox: { may: ['select', 'insert', 'delete'], sets: ['published_at'] },
} as const satisfies Grants;

const ENDS_RUNS = ['state', 'error', 'finished_at', 'steps'] as const;

/** Of every worker. */
const WORK = {
  ...WORKFLOW,
  runs: { may: ['select'], sets: ENDS_RUNS },
  models: READ,
  leases: { may: ['select', 'insert', 'delete'], sets: ['expires_at', 'progress'] },
  attempts: { may: ['select', 'insert'], sets: ['outcome', 'error'] },
  worker_devices: {
    may: ['select', 'insert'],
    sets: ['device', 'name', 'reason', 'allocated_bytes', 'memory_bytes', 'memory_settings', 'told_at'],
  },
  dead_letters: { may: ['insert'] },
} as const satisfies Grants;

/** What the statements of each need, and no more. Evidence is read and added to: nobody changes it, or takes of it. */
export const GRANTS: Readonly<Record<LedgerRole, Grants>> = {
  gateway: {
    ...WORKFLOW,
    runs: { may: ['select', 'insert'], sets: ENDS_RUNS },
    models: APPEND,
    datasets: APPEND,
    examples: APPEND,
    contexts: READ,
    stage_contexts: READ,
    samples: READ,
    judgements: READ,
    pairs: READ,
    pair_refusals: READ,
    scores: READ,
    steps: READ,
    checkpoints: READ,
    alignment_slices: READ,
    alignment_metrics: READ,
    evaluations: READ,
    leases: READ,
    attempts: READ,
    worker_devices: READ,
    dead_letters: { may: ['select', 'delete'], sets: ['retried_at'] },
    tokens: { may: ['select', 'insert'], sets: ['last_used_at', 'revoked_at'] },
  },
  datagen: {
    ...WORK,
    examples: READ,
    contexts: APPEND,
    stage_contexts: APPEND,
    samples: APPEND,
    judgements: APPEND,
    pairs: APPEND,
    pair_refusals: APPEND,
    evaluations: APPEND,
  },
  reward: {
    ...WORK,
    examples: READ,
    contexts: READ,
    stage_contexts: READ,
    pairs: READ,
    scores: APPEND,
    alignment_slices: APPEND,
    alignment_metrics: APPEND,
  },
  trainer: {
    ...WORK,
    runs: {
      may: ['select'],
      sets: [...ENDS_RUNS, 'step', 'chain_head', 'policy_digest', 'policy_tokens', 'train_seconds'],
    },
    contexts: READ,
    pairs: READ,
    scores: APPEND,
    steps: APPEND,
    checkpoints: APPEND,
    policy_versions: APPEND,
  },
  retention: {
    runs: READ,
    run_stages: READ,
    stages: READ,
    contexts: READ,
    stage_contexts: READ,
    examples: { may: ['select'], sets: ['content'] },
    samples: { may: ['select'], sets: ['text'] },
    pairs: { may: ['select'], sets: ['chosen_text', 'rejected_text'] },
  },
};
