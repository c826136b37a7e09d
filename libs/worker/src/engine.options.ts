import { worldSize } from '@solopo/contracts';
import type { EngineKinds, EngineOptions, RankOptions } from '@solopo/engine';
import { deviceOf, type App } from '@solopo/functions';
import type { WorkerConfig } from './worker.config.ts';

/** What a worker's configuration says of its engine. */
export function engineOptions(
  app: App,
  {
    threads,
    device = deviceOf(app),
    engines,
    torchPython,
    maxDeviceMemoryMb,
    maxBufferBytes,
    otlpUrl,
    ...config
  }: WorkerConfig,
): EngineOptions & EngineKinds & Required<Pick<EngineOptions, 'device'>> {
  return {
    threads,
    device,
    otlpUrl,
    ...(engines.includes('torch') && { torch: { python: torchPython, ...rankOptions(config) } }),
    maxBufferBytes,
    maxDeviceMemoryBytes: maxDeviceMemoryMb === undefined ? undefined : maxDeviceMemoryMb * 1e6,
  };
}

/** Of one rank nothing is said. */
function rankOptions({
  ranks,
  nodes,
  rendezvous,
  sequenceRanks,
}: Pick<WorkerConfig, 'ranks' | 'nodes' | 'rendezvous' | 'sequenceRanks'>): RankOptions {
  return worldSize({ ranks, nodes }) === 1 ? {} : { ranks, nodes, rendezvous, sequenceRanks };
}
