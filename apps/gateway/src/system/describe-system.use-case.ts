import { Inject, Injectable } from '@nestjs/common';
import { QueueStats } from '@solopo/bus';
import type { FunctionView, HeldJobView, StageKind, SystemView, WorkerView } from '@solopo/contracts';
import { APPS, functionOf, queuesOfApp, type Queue } from '@solopo/functions';
import { Ledger, type KindWork, type LeaseRecord, type WorkerDeviceRecord, type WorkerRecord } from '@solopo/ledger';
import { CONFIG } from '@solopo/platform';
import type { GatewayConfig } from '../gateway.config.ts';

const DAY_MS = 86_400_000;

@Injectable()
export class DescribeSystem {
  constructor(
    @Inject(Ledger) private readonly ledger: Ledger,
    @Inject(QueueStats) private readonly stats: QueueStats,
    @Inject(CONFIG) private readonly config: GatewayConfig,
  ) {}

  /** What there is to do, who did it lately, and on what. */
  async execute(): Promise<SystemView> {
    const [queues, streams, outbox, work, workers, leases, engines] = await Promise.all([
      this.stats.queues(),
      this.stats.streams(),
      this.ledger.outbox.backlog(),
      this.ledger.stages.workByKind(),
      this.ledger.attempts.workers(DAY_MS),
      this.ledger.leases.active(),
      this.ledger.steps.enginesInUse(),
    ]);
    const [kinds, devices, held] = await Promise.all([
      this.ledger.stages.kinds(workers.map(({ stage }) => stage)),
      this.ledger.workerDevices.of(workers.map(({ worker }) => worker)),
      Promise.all(leases.map((lease) => this.#heldJob(lease))),
    ]);
    return {
      functions: APPS.flatMap((app) => queuesOfApp(app)).map((spec) =>
        functionView(
          spec,
          queues.find(({ subject }) => subject === spec.subject),
          work.find(({ kind, engine }) => kind === spec.name && (spec.computedBy ?? 'onnx') === engine),
        ),
      ),
      pools: this.config.pools,
      streams: streams.map(({ stream, ...state }) => ({ name: stream, ...state })),
      outbox,
      workers: workers.map((worker) =>
        workerView(
          worker,
          kinds.get(worker.stage),
          devices.find((device) => device.worker === worker.worker),
          held.flatMap(({ worker: holder, job }) => (holder === worker.worker ? [job] : [])),
        ),
      ),
      engines: engines.map(({ lastUsed, ...engine }) => ({ ...engine, lastUsed: lastUsed.toISOString() })),
    };
  }

  async #heldJob({
    worker,
    kind,
    stage,
    chunk,
    since,
    progress,
  }: LeaseRecord): Promise<{ readonly worker: string; readonly job: HeldJobView }> {
    const runs = await this.ledger.runs.subscribers(stage);
    const { engine } = functionOf(kind);
    return { worker, job: { kind, engine, runs, stage, chunk, since: since.toISOString(), progress } };
  }
}

function functionView(
  { name, app, subject, device, engine, computedBy, priority, timeLimitMs, maxAttempts, sequential, scale }: Queue,
  queue: Awaited<ReturnType<QueueStats['queues']>>[number] | undefined,
  work: KindWork | undefined,
): FunctionView {
  return {
    name,
    app,
    subject,
    device,
    engine,
    computedBy,
    priority,
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

function workerView(
  worker: WorkerRecord,
  kind: StageKind | undefined,
  device: WorkerDeviceRecord | undefined,
  working: readonly HeldJobView[],
): WorkerView {
  return {
    id: worker.worker,
    app: kind === undefined ? null : functionOf(kind).app,
    jobs: worker.jobs,
    failures: worker.failures,
    firstSeen: worker.firstSeen.toISOString(),
    lastSeen: worker.lastSeen.toISOString(),
    working,
    device: device === undefined ? null : deviceView(device),
  };
}

function deviceView({ worker: _, toldAt, ...device }: WorkerDeviceRecord) {
  return { ...device, toldAt: toldAt.toISOString() };
}
