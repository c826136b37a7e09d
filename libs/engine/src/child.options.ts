import type { DeviceChoice } from '@solopo/contracts';

/** What an engine is made with. */
export interface EngineOptions {
  readonly threads: number;
  /** Default: cpu. */
  readonly device?: DeviceChoice;
  /** What may lie on the device at a time; without it, what the device has. */
  readonly maxDeviceMemoryBytes?: number | undefined;
  /** The largest parameter in one piece; without it, what the device refuses more than. */
  readonly maxBufferBytes?: number | undefined;
  /** Where the child exports its spans; none without. */
  readonly otlpUrl?: string | undefined;
}

/** The options as they reach the child: by its environment, so that it has them before anything is loaded. */
export function childEnvironment({
  threads,
  device = 'cpu',
  maxDeviceMemoryBytes,
  maxBufferBytes,
  otlpUrl,
}: EngineOptions): NodeJS.ProcessEnv {
  return {
    SOLOPO_ENGINE: JSON.stringify({ threads, device, maxDeviceMemoryBytes, maxBufferBytes, otlpUrl }),
    // Vulkan's window systems ask for it, and complain on the log where it is missing.
    XDG_RUNTIME_DIR: process.env.XDG_RUNTIME_DIR ?? '/tmp',
  };
}

export function readChildOptions({ SOLOPO_ENGINE = '{}' }: NodeJS.ProcessEnv): {
  readonly threads: number;
  readonly device: DeviceChoice;
  readonly maxDeviceMemoryBytes?: number;
  readonly maxBufferBytes?: number;
  readonly otlpUrl?: string;
} {
  return { threads: 1, device: 'cpu', ...(JSON.parse(SOLOPO_ENGINE) as object) };
}
