import type { EngineOptions } from '@solopo/engine';
import { deviceOf, type App } from '@solopo/functions';
import type { WorkerConfig } from './worker.config.ts';

/** What a worker's configuration says of its engine. */
export function engineOptions(
  app: App,
  { threads, device = deviceOf(app), maxDeviceMemoryMb, maxBufferBytes, otlpUrl }: WorkerConfig,
): EngineOptions & Required<Pick<EngineOptions, 'device'>> {
  return {
    threads,
    device,
    otlpUrl,
    maxBufferBytes,
    maxDeviceMemoryBytes: maxDeviceMemoryMb === undefined ? undefined : maxDeviceMemoryMb * 1e6,
  };
}
