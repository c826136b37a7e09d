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
