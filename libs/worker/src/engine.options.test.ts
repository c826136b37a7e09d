import { loadConfig } from '@solopo/platform';
import { expect, it } from 'vitest';
import { engineOptions } from './engine.options.ts';
import { workerConfigSchema } from './worker.config.ts';

const config = (env: NodeJS.ProcessEnv) =>
  loadConfig(workerConfigSchema, {
    SOLOPO_DATABASE_URL: 'postgres://db/solopo',
    SOLOPO_NATS_URL: 'nats://n',
    SOLOPO_ARTIFACTS: '/tmp/artifacts',
    ...env,
  });

it("hands a worker's settings on to its engine", () => {
  expect(engineOptions('reward', config({}))).toEqual({ threads: 1, device: 'auto' });
  const env = {
    SOLOPO_THREADS: '4',
    SOLOPO_DEVICE: 'webgpu',
    SOLOPO_MAX_DEVICE_MEMORY_MB: '8000',
    SOLOPO_MAX_BUFFER_BYTES: '134217728',
  };
  expect(engineOptions('trainer', config(env))).toEqual({
    threads: 4,
    device: 'webgpu',
    maxDeviceMemoryBytes: 8e9,
    maxBufferBytes: 134_217_728,
  });
});

it('computes with onnxruntime alone until it is told of PyTorch, and refuses engines that there are not', () => {
  expect(config({})).toMatchObject({ engines: ['onnx'] });
  const both = config({ SOLOPO_ENGINES: 'onnx, torch', SOLOPO_TORCH_PYTHON: '/opt/torch/bin/python' });
  expect(engineOptions('trainer', both)).toMatchObject({ torch: { python: '/opt/torch/bin/python' } });
  for (const wrong of ['jax', 'onnx,onnx', 'onnx;torch', ','])
    expect(() => config({ SOLOPO_ENGINES: wrong }), wrong).toThrow(/SOLOPO_ENGINES: must be some of onnx, torch/);
});

it('has several ranks of PyTorch, on one machine or more', () => {
  const env = { SOLOPO_ENGINES: 'onnx,torch', SOLOPO_RANKS: '4', SOLOPO_SEQUENCE_RANKS: '2' };
  expect(engineOptions('trainer', config(env)).torch).toEqual({
    python: 'python3',
    ranks: 4,
    nodes: 1,
    sequenceRanks: 2,
  });
  const nodes = { ...env, SOLOPO_NODES: '2', SOLOPO_RENDEZVOUS: 'trainer-0.trainer:29500', SOLOPO_SEQUENCE_RANKS: '8' };
  expect(engineOptions('trainer', config(nodes)).torch).toMatchObject({
    nodes: 2,
    rendezvous: 'trainer-0.trainer:29500',
    sequenceRanks: 8,
  });
  expect(engineOptions('trainer', config({ SOLOPO_ENGINES: 'torch' })).torch).toEqual({ python: 'python3' });
});

it.each([
  [{ SOLOPO_RANKS: '0' }, /SOLOPO_RANKS: must be a whole number from 1 to 256/],
  [{ SOLOPO_RANKS: 'two' }, /SOLOPO_RANKS: must be a whole number from 1 to 256/],
  [{ SOLOPO_SEQUENCE_RANKS: '1.5' }, /SOLOPO_SEQUENCE_RANKS: must be a whole number/],
  [
    { SOLOPO_RANKS: '6', SOLOPO_SEQUENCE_RANKS: '4' },
    /SOLOPO_SEQUENCE_RANKS: does not divide the ranks on all machines, which are 6; set it to 1, 2, 3 or 6/,
  ],
  [{ SOLOPO_NODES: '2' }, /SOLOPO_NODES: is more than 1, .*set SOLOPO_RENDEZVOUS to host:port/],
  [{ SOLOPO_NODES: '2', SOLOPO_RENDEZVOUS: 'trainer' }, /SOLOPO_RENDEZVOUS: must be host:port, such as/],
  [{ SOLOPO_RANKS: '2', SOLOPO_ENGINES: 'onnx' }, /SOLOPO_RANKS: is more than 1, and SOLOPO_ENGINES has no torch/],
])('refuses ranks that cannot be, with what to set: %j', (env, message) => {
  expect(() => config({ SOLOPO_ENGINES: 'torch', ...env })).toThrow(message);
});
