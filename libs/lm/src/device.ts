/** Where the numeric engine computes: the processor, any vendor's GPU through WebGPU, or an NVIDIA GPU through CUDA. */
export const DEVICES = ['cpu', 'webgpu', 'cuda'] as const;
export type Device = (typeof DEVICES)[number];

/** A device that was asked for and is not there. The message says what to do. */
export class DeviceError extends Error {
  override readonly name = 'DeviceError';
}

/** The device has no room for what was asked of it. */
export class DeviceMemoryError extends Error {
  override readonly name = 'DeviceMemoryError';
}
