import type { DeviceChoice } from '@solopo/contracts';

/** What an engine is made with. */
export interface EngineOptions {
  readonly threads: number;
  /** Default: cpu. */
  readonly device?: DeviceChoice;
  /** What may lie on the device at a time; without it, what the device has. */
  readonly maxDeviceMemoryBytes?: number | undefined;
}

/** The options as they reach the child: by its environment, so that it has them before anything is loaded. */
export function childEnvironment({ threads, device = 'cpu', maxDeviceMemoryBytes }: EngineOptions): NodeJS.ProcessEnv {
  return {
    SOLOPO_ENGINE: JSON.stringify({ threads, device, maxDeviceMemoryBytes }),
    // Vulkan's window systems ask for it, and complain on the log where it is missing.
    XDG_RUNTIME_DIR: process.env.XDG_RUNTIME_DIR ?? '/tmp',
  };
}

export function readChildOptions({ SOLOPO_ENGINE = '{}' }: NodeJS.ProcessEnv): {
  readonly threads: number;
  readonly device: DeviceChoice;
  readonly maxDeviceMemoryBytes?: number;
} {
  return { threads: 1, device: 'cpu', ...(JSON.parse(SOLOPO_ENGINE) as object) };
}
