import { fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { SolopoError } from '@solopo/contracts';
import { childEnvironment, type EngineOptions } from './child.options.ts';
import { memorySettings } from './memory-settings.ts';
import type { FromChild } from './tasks.ts';
import type { Transport, TransportListeners } from './transport.ts';

/** The built file, also when this one runs from source (in tests). */
const CHILD = fileURLToPath(
  new URL(import.meta.url.endsWith('.ts') ? '../dist/engine.child.js' : './engine.child.js', import.meta.url),
);

/** A process of Node with onnxruntime: messages cross by structured clone. */
export function forkOnnx(options: EngineOptions, { onMessage, onEnd }: TransportListeners): Transport {
  const child = fork(CHILD, [], {
    execArgv: [],
    serialization: 'advanced',
    env: {
      ...process.env,
      GLIBC_TUNABLES: memorySettings(process.env.GLIBC_TUNABLES),
      ...childEnvironment(options),
    },
  });
  child.on('message', (message: FromChild) => onMessage(message));
  child.on('exit', (code, signal) => onEnd(processEnded(signal ?? `exit code ${code}`)));
  return {
    pid: child.pid,
    send: (message) => void child.send(message),
    end: () => child.disconnect(),
    kill: () => void child.kill('SIGKILL'),
  };
}

export function processEnded(how: string): SolopoError {
  return new SolopoError('engine-failed', `the engine process ended (${how}); the job is tried again with a new one`);
}
