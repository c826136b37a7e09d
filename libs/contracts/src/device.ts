/** Where the numeric engine computes: the processor, any vendor's GPU through WebGPU, or an NVIDIA GPU through CUDA. */
export const DEVICES = ['cpu', 'webgpu', 'cuda'] as const;
export type Device = (typeof DEVICES)[number];

/** `auto`: a GPU where there is one, otherwise the processor; it says what it chose and why. */
export const DEVICE_CHOICES = ['auto', ...DEVICES] as const;
export type DeviceChoice = (typeof DEVICE_CHOICES)[number];
