import { expect, test } from 'vitest';
import { BufferSizeError, DeviceMemoryError, ModelError, ParameterStore, Runtime, type Tensor } from './index.ts';
import { bytesOf } from './tensor.ts';

/** A device that refuses, or whose largest buffer holds so many bytes and which says so when it is asked for more. */
class FakeDevice extends Runtime {
  readonly asked: number[] = [];
  readonly freed: Tensor[] = [];

  constructor(private readonly refusal: string | number) {
    super({ threads: 1 });
  }

  override get keepsOnDevice(): boolean {
    return true;
  }

  override upload(tensor: Tensor): Promise<Tensor> {
    this.asked.push(bytesOf(tensor));
    if (typeof this.refusal === 'string') return Promise.reject(new DeviceMemoryError(this.refusal));
    if (bytesOf(tensor) <= this.refusal) return Promise.resolve(tensor);
    return Promise.reject(new BufferSizeError('Buffer size exceeds the max buffer size limit', this.refusal));
  }

  override free(tensor: Tensor): void {
    this.freed.push(tensor);
  }
}

const TABLE = 'model.embed_tokens.weight';
const matrix = (rows: number) => ({
  dims: [rows, 3],
  data: Float32Array.from({ length: 3 * rows }, (_, i) => i),
});

test('a table larger than any buffer of the device lies there in pieces, and is read whole', async () => {
  const device = new FakeDevice(60);
  const store = new ParameterStore(device, new Map([[TABLE, matrix(12)]]));
  expect([...(await store.placed()).keys()]).toEqual([`${TABLE}#0`, `${TABLE}#1`, `${TABLE}#2`]);
  expect((await store.pieces(TABLE)).map(([, { dims }]) => dims)).toEqual([
    [4, 3],
    [4, 3],
    [4, 3],
  ]);
  expect(device.asked).toEqual([144, 48, 48, 48]);
  expect([...(await store.read())]).toEqual([[TABLE, matrix(12)]]);
  await store.free();
  expect(device.freed.length).toBe(3);
});

test('another parameter larger than any buffer is named, and no batch is halved for it', async () => {
  const device = new FakeDevice(60);
  const placed = new ParameterStore(
    device,
    new Map([
      [TABLE, matrix(2)],
      ['model.layers.0.mlp.up_proj.weight', matrix(100_000)],
    ]),
  ).placed();
  await expect(placed).rejects.not.toBeInstanceOf(DeviceMemoryError);
  await expect(placed).rejects.toThrow(
    /"model.layers.0.mlp.up_proj.weight" has 2 MB.*largest buffer holds 0 MB; choose/,
  );
  expect(device.freed.length).toBe(1);
});

test('a table of which not even one row has room is named like any other parameter', async () => {
  await expect(new ParameterStore(new FakeDevice(8), new Map([[TABLE, matrix(2)]])).placed()).rejects.toThrow(
    ModelError,
  );
});

test('where the device is merely full, that is what is said', async () => {
  const store = new ParameterStore(new FakeDevice('out of memory'), new Map([[TABLE, matrix(4)]]));
  await expect(store.placed()).rejects.toThrow(DeviceMemoryError);
  await store.free();
});

test('a parameter that the model does not have is named', async () => {
  const store = new ParameterStore(new FakeDevice(60), new Map([[TABLE, matrix(4)]]));
  await expect(store.pieces('lm_head.weight')).rejects.toThrow(/"lm_head.weight" is not in this model/);
});
