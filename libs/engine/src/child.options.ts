import type { DeviceChoice, RankLayout } from '@solopo/contracts';

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

/** What PyTorch is told besides: over how many processes it computes, one of which is started here for each rank of this machine. */
export interface RankOptions extends Partial<RankLayout> {
  /** `host:port` where the ranks of several machines meet. */
  readonly rendezvous?: string | undefined;
}

/** The options as they reach the child: by its environment, so that it has them before anything is loaded. */
export function childEnvironment(
  { threads, device = 'cpu', maxDeviceMemoryBytes, maxBufferBytes, otlpUrl }: EngineOptions,
  { ranks, nodes, rendezvous, sequenceRanks }: RankOptions = {},
): NodeJS.ProcessEnv {
  const own = { threads, device, maxDeviceMemoryBytes, maxBufferBytes, otlpUrl };
  return {
    SOLOPO_ENGINE: JSON.stringify({ ...own, ranks, nodes, rendezvous, sequenceRanks }),
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
