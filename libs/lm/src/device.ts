/** Where the numeric engine computes: the processor, any vendor's GPU through WebGPU, or an NVIDIA GPU through CUDA. */
export const DEVICES = ['cpu', 'webgpu', 'cuda'] as const;
export type Device = (typeof DEVICES)[number];

/** The Vulkan driver in software that the environment names, which is then what WebGPU runs on; null where it names none. */
export function softwareDriver(): string | null {
  const drivers = process.env.VK_DRIVER_FILES ?? process.env.VK_ICD_FILENAMES ?? '';
  return /swiftshader|lvp_icd/i.exec(drivers)?.[0]?.replace('_icd', '') ?? null;
}

/** A device that was asked for and is not there. The message says what to do. */
export class DeviceError extends Error {
  override readonly name = 'DeviceError';
}

/** The device has no room for what was asked of it. */
export class DeviceMemoryError extends Error {
  override readonly name = 'DeviceMemoryError';
}

/** A tensor that is larger than any buffer of the device, however empty it is. */
export class BufferSizeError extends DeviceMemoryError {
  constructor(
    message: string,
    /** What the device's largest buffer holds. */
    readonly maxBytes: number,
  ) {
    super(message);
  }
}
