import * as ort from 'onnxruntime-node';
import { expect, test } from 'vitest';
import { encodeModel, Graph, type Value } from './index.ts';

const [rows, size] = [3, 4];
const w = Float32Array.from({ length: size * size }, (_, i) => Math.sin(i));
const x = Float32Array.from({ length: rows * size }, (_, i) => i / 10);

/** Rounds over the rows of x: each row's product with W, scaled, joined to those before, and the sum of all. */
function overRows(): Graph {
  const g = new Graph('over-rows');
  const all = g.input('x', 'float32', ['N', size]);
  const weight = g.input('w', 'float32', [size, size]);
  const products = (row: Value): Value => g.matMul(row, weight, { transB: true, alpha: 0.5 });
  const none = g.slice(all, 0, g.int64s([0]), g.int64s([0]), 'done');
  const [joined, sum] = g.loop(
    g.shapeOf(all, 0, 1),
    [none, g.constant({ dtype: 'float32', dims: [1, size], data: new Float32Array(size) })],
    [
      ['N', size],
      [1, size],
    ],
    ([before, total], round) => {
      const y = products(g.gatherRows(all, g.reshape(round, [1])));
      return [g.concat([before as Value, y], 0), g.add(total as Value, y)];
    },
  );
  g.output('joined', joined as Value);
  g.output('sum', g.scale(sum as Value, 2));
  return g;
}

test.each(['fused', 'plain', 'loops'] as const)('a loop written as %s joins and sums over its rounds', async (form) => {
  const session = await ort.InferenceSession.create(encodeModel(overRows(), { form }));
  const { joined, sum } = await session.run({
    x: new ort.Tensor('float32', x, [rows, size]),
    w: new ort.Tensor('float32', w, [size, size]),
  });
  const expected = Array.from({ length: rows * size }, (_, place) => {
    const [row, column] = [Math.floor(place / size), place % size];
    return Array.from({ length: size }, (_, k) => 0.5 * x[row * size + k]! * w[column * size + k]!).reduce(
      (a, b) => a + b,
    );
  });
  expect(joined!.dims).toEqual([rows, size]);
  (joined!.data as Float32Array).forEach((value, i) => expect(value).toBeCloseTo(expected[i]!, 5));
  (sum!.data as Float32Array).forEach((value, column) =>
    expect(value).toBeCloseTo(2 * [0, 1, 2].reduce((total, row) => total + expected[row * size + column]!, 0), 5),
  );
});

test('no rounds leave the states as they began', async () => {
  const session = await ort.InferenceSession.create(encodeModel(overRows()));
  const { joined } = await session.run({
    x: new ort.Tensor('float32', x.subarray(0, 0), [0, size]),
    w: new ort.Tensor('float32', w, [size, size]),
  });
  expect(joined!.dims).toEqual([0, size]);
});

test('an initialiser takes its numbers from an external file of its name', async () => {
  const model = encodeModel(overRows(), { initialisers: new Set(['w']) });
  const session = await ort.InferenceSession.create(model, {
    externalData: [{ path: 'w', data: new Uint8Array(w.buffer) }],
  });
  expect(session.inputNames).toEqual(['x']);
  const given = await session.run({ x: new ort.Tensor('float32', x, [rows, size]) });
  const fed = await (
    await ort.InferenceSession.create(encodeModel(overRows()))
  ).run({ x: new ort.Tensor('float32', x, [rows, size]), w: new ort.Tensor('float32', w, [size, size]) });
  expect(given['joined']!.data).toEqual(fed['joined']!.data);
});

test('an initialiser whose shape is open is an error that names it', () => {
  expect(() => encodeModel(overRows(), { initialisers: new Set(['x']) })).toThrow(/"x" cannot be an initialiser.*"N"/);
});
