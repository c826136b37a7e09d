import { expect, test } from 'vitest';
import { DeviceMemoryError, ParameterStore, type Runtime } from './index.ts';

const refusing = (message: string): Runtime =>
  ({ keepsOnDevice: true, upload: () => Promise.reject(new DeviceMemoryError(message)) }) as unknown as Runtime;
const tensors = new Map([['model.embed_tokens.weight', { dims: [4, 3], data: new Float32Array(12) }]]);

test('a parameter larger than any buffer of the device is named, and no batch is halved for it', async () => {
  const said = 'WebGPU validation failed. Buffer size (1126400000) exceeds the max buffer size limit (1073741824).';
  const placed = new ParameterStore(refusing(said), tensors).placed();
  await expect(placed).rejects.not.toBeInstanceOf(DeviceMemoryError);
  await expect(placed).rejects.toThrow(/"model.embed_tokens.weight" has .* MB.*largest buffer holds 1073 MB; choose/);
});

test('where the device is merely full, that is what is said', async () => {
  await expect(new ParameterStore(refusing('out of memory'), tensors).placed()).rejects.toThrow(DeviceMemoryError);
});
