import type { EngineKinds, EngineOptions } from '@solopo/engine';
import { deviceOf, type App } from '@solopo/functions';
import type { WorkerConfig } from './worker.config.ts';

/** What a worker's configuration says of its engine. */
export function engineOptions(
  app: App,
  { threads, device = deviceOf(app), engines, torchPython, maxDeviceMemoryMb, maxBufferBytes, otlpUrl }: WorkerConfig,
): EngineOptions & EngineKinds & Required<Pick<EngineOptions, 'device'>> {
  return {
    threads,
    device,
    otlpUrl,
    ...(engines.includes('torch') && { torch: { python: torchPython } }),
    maxBufferBytes,
    maxDeviceMemoryBytes: maxDeviceMemoryMb === undefined ? undefined : maxDeviceMemoryMb * 1e6,
  };
}
