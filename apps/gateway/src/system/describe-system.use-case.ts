import { Inject, Injectable } from '@nestjs/common';
import { QueueStats } from '@solopo/bus';
import type { FunctionView, StageKind, SystemView, WorkerView } from '@solopo/contracts';
import { functionOf, STAGE_KINDS } from '@solopo/functions';
import { Ledger, type KindWork, type WorkerDeviceRecord, type WorkerRecord } from '@solopo/ledger';

const DAY_MS = 86_400_000;

@Injectable()
export class DescribeSystem {
  constructor(
    @Inject(Ledger) private readonly ledger: Ledger,
    @Inject(QueueStats) private readonly stats: QueueStats,
  ) {}

  /** What there is to do, who did it lately, and on what. */
  async execute(): Promise<SystemView> {
    const [queues, streams, outbox, work, workers, engines] = await Promise.all([
      this.stats.queues(),
      this.stats.streams(),
      this.ledger.outbox.backlog(),
      this.ledger.stages.workByKind(),
      this.ledger.attempts.workers(DAY_MS),
      this.ledger.steps.enginesInUse(),
    ]);
    const [kinds, devices] = await Promise.all([
      this.ledger.stages.kinds(workers.map(({ stage }) => stage)),
      this.ledger.workerDevices.of(workers.map(({ worker }) => worker)),
    ]);
    return {
      functions: STAGE_KINDS.map((kind) =>
        functionView(
          kind,
          queues.find(({ subject }) => subject === functionOf(kind).subject),
          work.find((row) => row.kind === kind),
        ),
      ),
      streams: streams.map(({ stream, ...state }) => ({ name: stream, ...state })),
      outbox,
      workers: workers.map((worker) =>
        workerView(
          worker,
          kinds.get(worker.stage),
          devices.find((device) => device.worker === worker.worker),
        ),
      ),
      engines: engines.map(({ lastUsed, ...engine }) => ({ ...engine, lastUsed: lastUsed.toISOString() })),
    };
  }
}

function functionView(
  kind: StageKind,
  queue: Awaited<ReturnType<QueueStats['queues']>>[number] | undefined,
  work: KindWork | undefined,
): FunctionView {
  const { name, app, subject, device, concurrency, timeLimitMs, maxAttempts, sequential, scale } = functionOf(kind);
  return {
    name,
    app,
    subject,
    device,
    concurrency,
    timeLimitSeconds: timeLimitMs / 1000,
    maxAttempts,
    sequential,
    scale: { min: scale.min, max: scale.max, idleSeconds: scale.idleMs / 1000 },
    waiting: queue?.waiting ?? 0,
    working: queue?.unacknowledged ?? 0,
    oldestSeconds: queue?.oldestSeconds ?? 0,
    chunksDone: work?.done ?? 0,
    chunksFailed: work?.failed ?? 0,
    meanSeconds: work?.meanSeconds ?? null,
  };
}

/** A killed process's last job goes on in its row: within the time limit nobody can tell it from one at work. */
function workerView(
  worker: WorkerRecord,
  kind: StageKind | undefined,
  device: WorkerDeviceRecord | undefined,
): WorkerView {
  const spec = kind === undefined ? undefined : functionOf(kind);
  const atWork = worker.outcome === null && Date.now() - worker.lastSeen.getTime() < (spec?.timeLimitMs ?? 0);
  return {
    id: worker.worker,
    app: spec?.app ?? null,
    jobs: worker.jobs,
    failures: worker.failures,
    firstSeen: worker.firstSeen.toISOString(),
    lastSeen: worker.lastSeen.toISOString(),
    doing: atWork ? (kind ?? null) : null,
    device: device === undefined ? null : deviceView(device),
  };
}

function deviceView({ worker: _, toldAt, ...device }: WorkerDeviceRecord) {
  return { ...device, toldAt: toldAt.toISOString() };
}
