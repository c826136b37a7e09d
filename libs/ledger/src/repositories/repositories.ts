import type { Queries } from '../tables/database.ts';
import { AlignmentRepository } from './alignment.repository.ts';
import { ArtifactReferenceRepository } from './artifact-reference.repository.ts';
import { AttemptRepository } from './attempt.repository.ts';
import { CheckpointRepository } from './checkpoint.repository.ts';
import { ContextRepository } from './context.repository.ts';
import { DatasetRepository } from './dataset.repository.ts';
import { DeadLetterRepository } from './dead-letter.repository.ts';
import { EvaluationRepository } from './evaluation.repository.ts';
import { JudgementRepository } from './judgement.repository.ts';
import { LeaseRepository } from './lease.repository.ts';
import { ModelRepository } from './model.repository.ts';
import { OutboxRepository } from './outbox.repository.ts';
import { PairRepository } from './pair.repository.ts';
import { RunRepository } from './run.repository.ts';
import { SampleRepository } from './sample.repository.ts';
import { ScoreRepository } from './score.repository.ts';
import { StageRepository } from './stage.repository.ts';
import { StepRepository } from './step.repository.ts';
import { TokenRepository } from './token.repository.ts';
import { TrackingRepository } from './tracking.repository.ts';
import { VersionRepository } from './version.repository.ts';
import { WorkerDeviceRepository } from './worker-device.repository.ts';

/** Everything the ledger holds, by noun. */
export class Repositories {
  readonly models: ModelRepository;
  readonly datasets: DatasetRepository;
  readonly contexts: ContextRepository;
  readonly samples: SampleRepository;
  readonly judgements: JudgementRepository;
  readonly pairs: PairRepository;
  readonly scores: ScoreRepository;
  readonly steps: StepRepository;
  readonly checkpoints: CheckpointRepository;
  readonly versions: VersionRepository;
  readonly alignments: AlignmentRepository;
  readonly evaluations: EvaluationRepository;

  readonly runs: RunRepository;
  readonly stages: StageRepository;
  readonly outbox: OutboxRepository;
  readonly leases: LeaseRepository;
  readonly attempts: AttemptRepository;
  readonly workerDevices: WorkerDeviceRepository;
  readonly deadLetters: DeadLetterRepository;
  readonly tokens: TokenRepository;

  readonly tracking: TrackingRepository;
  readonly artifactReferences: ArtifactReferenceRepository;

  constructor(db: Queries) {
    this.models = new ModelRepository(db);
    this.datasets = new DatasetRepository(db);
    this.contexts = new ContextRepository(db);
    this.samples = new SampleRepository(db);
    this.judgements = new JudgementRepository(db);
    this.pairs = new PairRepository(db);
    this.scores = new ScoreRepository(db);
    this.steps = new StepRepository(db);
    this.checkpoints = new CheckpointRepository(db);
    this.versions = new VersionRepository(db);
    this.alignments = new AlignmentRepository(db);
    this.evaluations = new EvaluationRepository(db);
    this.runs = new RunRepository(db);
    this.stages = new StageRepository(db);
    this.outbox = new OutboxRepository(db);
    this.leases = new LeaseRepository(db);
    this.attempts = new AttemptRepository(db);
    this.workerDevices = new WorkerDeviceRepository(db);
    this.deadLetters = new DeadLetterRepository(db);
    this.tokens = new TokenRepository(db);
    this.artifactReferences = new ArtifactReferenceRepository(db);
    this.tracking = new TrackingRepository(db);
  }
}
