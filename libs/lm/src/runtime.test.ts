import { cpus } from 'node:os';
import { Graph } from '@solopo/onnx-graph';
import * as ort from 'onnxruntime-node';
import { afterAll, expect, test } from 'vitest';
import { Runtime, type Device } from './index.ts';
import { float32, hostFloats, type Tensor } from './tensor.ts';

const runtime = new Runtime({ threads: 1 });
afterAll(() => runtime.close());

function doubled(): Graph {
  const g = new Graph('doubled');
  const x = g.input('x', 'float32', ['N']);
  g.output('sum', g.add(x, x));
  g.output('product', g.scale(x, 2));
  return g;
}

test('what a run gave and nobody reads is given back at once; what was fetched or read, and what went in, stays', async () => {
  const x = float32(Float32Array.of(1, 2, 3), [3]);
  const fetched = await runtime.run('doubled', doubled, { x }, ['product']);
  const [sum, product] = [fetched.sum as Tensor, fetched.product as Tensor];
  for (const tensor of [x, sum, product]) runtime.free(tensor);
  expect(hostFloats(sum)).toHaveLength(0);
  expect([...hostFloats(product)]).toEqual([2, 4, 6]);
  expect([...hostFloats(x)]).toEqual([1, 2, 3]);

  const again = (await runtime.run('doubled', doubled, { x })).sum as Tensor;
  const numbers = await runtime.read(again);
  runtime.free(again);
  expect([...numbers]).toEqual([2, 4, 6]);
});

test('a tensor that was given back is refused by the next run', async () => {
  const { sum } = await runtime.run('doubled', doubled, { x: float32(Float32Array.of(1, 2, 3), [3]) });
  runtime.free(sum as Tensor);
  await expect(runtime.run('doubled', doubled, { x: sum as Tensor })).rejects.toThrow();
});

test('another GPU is another engine; on the processor the fingerprint is what recorded scores have, whatever GPU there is', () => {
  const of = (device: Device, deviceName?: string) =>
    new Runtime({ threads: 2, device, ...(deviceName && { deviceName }) }).fingerprint;
  expect(of('webgpu', 'A GPU 3000')).toMatch(
    /^onnxruntime [\d.]+; webgpu float32[^;]*; threads 2; layout \d+; .+; A GPU 3000$/,
  );
  expect(of('webgpu', 'A GPU 3000')).not.toBe(of('webgpu', 'A GPU 4000'));
  expect(of('cuda', 'A GPU 3000')).toMatch(/; A GPU 3000$/);
  expect(of('cuda')).toMatch(/; a GPU without a name$/);
  expect(of('cpu', 'A GPU 3000')).toBe(of('cpu'));
  const processor = cpus()[0]?.model.trim() ?? process.arch;
  expect(of('cpu')).toBe(`onnxruntime ${ort.env.versions.node}; cpu float32; threads 2; layout 4; ${processor}`);
});
