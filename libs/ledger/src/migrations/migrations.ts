import * as models from './0001-models.migration.ts';
import * as datasets from './0002-datasets.migration.ts';
import * as runs from './0003-runs.migration.ts';
import * as stages from './0004-stages.migration.ts';
import * as contexts from './0005-contexts.migration.ts';
import * as samples from './0006-samples.migration.ts';
import * as judgements from './0007-judgements.migration.ts';
import * as pairs from './0008-pairs.migration.ts';
import * as scores from './0009-scores.migration.ts';
import * as steps from './0010-steps.migration.ts';
import * as checkpoints from './0011-checkpoints.migration.ts';
import * as policyVersions from './0012-policy-versions.migration.ts';
import * as alignmentMetrics from './0013-alignment-metrics.migration.ts';
import * as evaluations from './0014-evaluations.migration.ts';
import * as outbox from './0015-outbox.migration.ts';
import * as leases from './0016-leases.migration.ts';
import * as attempts from './0017-attempts.migration.ts';
import * as deadLetters from './0018-dead-letters.migration.ts';
import * as appendOnlyEvidence from './0019-append-only-evidence.migration.ts';
import * as retriedDeadLetters from './0020-retried-dead-letters.migration.ts';
import * as tokens from './0021-tokens.migration.ts';
import * as stepEngines from './0022-step-engines.migration.ts';
import * as scoresByEngine from './0023-scores-by-engine.migration.ts';
import * as outboxTraceparent from './0024-outbox-traceparent.migration.ts';
import * as stepPhases from './0025-step-phases.migration.ts';
import * as workerDevices from './0026-worker-devices.migration.ts';
import * as chunkProgress from './0027-chunk-progress.migration.ts';
import * as chunkLeases from './0028-chunk-leases.migration.ts';
import * as slicesAndProgress from './0029-slices-and-progress.migration.ts';
import * as runWarnings from './0030-run-warnings.migration.ts';
import * as pairsOfOneAnswer from './0031-pairs-of-one-answer.migration.ts';
import * as rowDigests from './0032-row-digests.migration.ts';
import * as replays from './0033-replays.migration.ts';
import type { Migration } from 'kysely/migration';

/** Forward only. A released migration is never edited: a change is a new one. */
export const MIGRATIONS: Readonly<Record<string, Migration>> = {
  '0001-models': models,
  '0002-datasets': datasets,
  '0003-runs': runs,
  '0004-stages': stages,
  '0005-contexts': contexts,
  '0006-samples': samples,
  '0007-judgements': judgements,
  '0008-pairs': pairs,
  '0009-scores': scores,
  '0010-steps': steps,
  '0011-checkpoints': checkpoints,
  '0012-policy-versions': policyVersions,
  '0013-alignment-metrics': alignmentMetrics,
  '0014-evaluations': evaluations,
  '0015-outbox': outbox,
  '0016-leases': leases,
  '0017-attempts': attempts,
  '0018-dead-letters': deadLetters,
  '0019-append-only-evidence': appendOnlyEvidence,
  '0020-retried-dead-letters': retriedDeadLetters,
  '0021-tokens': tokens,
  '0022-step-engines': stepEngines,
  '0023-scores-by-engine': scoresByEngine,
  '0024-outbox-traceparent': outboxTraceparent,
  '0025-step-phases': stepPhases,
  '0026-worker-devices': workerDevices,
  '0027-chunk-progress': chunkProgress,
  '0028-chunk-leases': chunkLeases,
  '0029-slices-and-progress': slicesAndProgress,
  '0030-run-warnings': runWarnings,
  '0031-pairs-of-one-answer': pairsOfOneAnswer,
  '0032-row-digests': rowDigests,
  '0033-replays': replays,
};
