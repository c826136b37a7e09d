import { BufferSizeError, DeviceError, DeviceMemoryError, type Device } from './device.ts';

/** onnxruntime's errors that have a meaning here, by what they say; others as they are. */
export function explained(error: unknown, device: Device): unknown {
  const { message } = error instanceof Error ? error : new Error(String(error));
  if (device === 'webgpu' && /WebGPU adapter|webgpu backend|not supported.*webgpu/i.test(message))
    return new DeviceError(NO_ADAPTER);
  if (
    device === 'cuda' &&
    /ExecutionProvider_Cuda|providers_cuda|CUDA failure|cuda.*(not available|not supported)/i.test(message)
  )
    return new DeviceError(NO_CUDA);
  if (device === 'webgpu' && /requires f16/.test(message)) return new DeviceError(NO_FLOAT16);
  const [, largest] = /max buffer size limit \((\d+)\)/.exec(message) ?? [];
  if (device !== 'cpu' && largest !== undefined) return new BufferSizeError(message, Number(largest));
  // WebGPU only logs that there was no memory for a buffer; what is thrown says that it is none. A tensor of more segments
  // than a kernel can read is too large, too.
  if (
    device !== 'cpu' &&
    /out of memory|OutOfMemory|failed to allocate|exceeds.*limit|\[Invalid Buffer|Too many storage buffers/i.test(
      message,
    )
  )
    return new DeviceMemoryError(message);
  return error;
}

const NO_ADAPTER =
  "no WebGPU adapter was found: install your GPU's Vulkan driver and the Vulkan loader (libvulkan1), see docs/gpu.md, or choose device cpu";

const NO_FLOAT16 =
  'this device has no half-precision numbers (shader-f16 of WebGPU): leave frozenWeights at float32, or choose device cpu';

const NO_CUDA =
  'onnxruntime has no CUDA provider here: add its libraries and CUDA as docs/gpu.md says, or choose device webgpu or cpu';
