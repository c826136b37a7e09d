import { spawn } from 'node:child_process';
import { delimiter } from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { SolopoError } from '@solopo/contracts';
import { childEnvironment, type EngineOptions, type RankOptions } from './child.options.ts';
import { encodeFrame, FrameReader } from './frames.ts';
import { memorySettings } from './memory-settings.ts';
import { processEnded } from './onnx.process.ts';
import type { FromChild } from './tasks.ts';
import type { Transport, TransportListeners } from './transport.ts';

/** Of docs/engine-protocol.md. */
export const PROTOCOL = 1;

/** What a process of Python says first. */
export interface Hello {
  readonly kind: 'hello';
  readonly protocol: number;
  readonly engine: 'torch';
  /** `python`, `torch`, `transformers`, `peft`. */
  readonly versions: Readonly<Record<string, string>>;
}

/** How the engine of Python is started. */
export interface TorchOptions extends RankOptions {
  /** A Python with PyTorch, transformers and PEFT. The engine's own code comes with the product. */
  readonly python: string;
  /** Arguments in place of `-m solopo_torch`: for tests of what is said over the pipe. */
  readonly command?: readonly string[];
}

/** The same place seen from `src` and from `dist`. */
export const TORCH_PACKAGE = fileURLToPath(new URL('../../../engines/torch', import.meta.url));
/** The pipe that replies come on: what a library prints must not get between them. */
const REPLIES = 3;
const DRAIN_MS = 1000;
/** How the relay of several ranks ends when one ended, or they did not meet (EX_TEMPFAIL): another time they may. */
const RANKS_ENDED = 75;
const SET_UP_AGAIN =
  './solopo engine list tells what is missing. Run ./solopo engine add torch again, or name another Python in SOLOPO_TORCH_PYTHON, then retry the job';

/** A process of Python with PyTorch: frames over pipes. What it writes to stdout and stderr goes to `onLog`, line by line. */
export function spawnTorch(
  options: EngineOptions & { readonly torch: TorchOptions; readonly onLog?: ((line: string) => void) | undefined },
  { onMessage, onHello, onEnd }: TransportListeners & { readonly onHello?: (hello: Hello) => void },
): Transport {
  const { python, command = ['-m', 'solopo_torch'] } = options.torch;
  const child = spawn(python, command, { env: environment(options), stdio: ['pipe', 'pipe', 'pipe', 'pipe'] });
  let last = '';
  let hasGreeted = false;
  let failure: SolopoError | undefined;
  const refuse = (error: SolopoError): void => {
    failure ??= error;
    child.kill('SIGKILL');
  };
  const receive = (message: unknown): void => {
    if (failure) return;
    if (hasGreeted) return onMessage(message as FromChild);
    hasGreeted = true;
    if (!isHello(message) || message.protocol !== PROTOCOL) return refuse(otherProtocol(message));
    onHello?.(message);
  };

  for (const stream of [child.stdout, child.stderr])
    createInterface({ input: stream }).on('line', (line) => {
      if (line.trim() !== '') last = line.trim();
      options.onLog?.(line);
    });
  const reader = new FrameReader();
  const replies = child.stdio[REPLIES] as Readable;
  replies.on('data', (chunk: Buffer) => {
    if (failure) return;
    try {
      reader.push(chunk).forEach(receive);
    } catch (error) {
      refuse(engineMissing(`the torch engine wrote what is no message (${(error as Error).message})`));
    }
  });
  // What was written before the end is read before it is told. Where it is gone, the exit says so.
  replies.on('error', () => undefined);
  child.stdin?.on('error', () => undefined);
  child.on('error', (error: NodeJS.ErrnoException) =>
    onEnd(engineMissing(`${python} could not be started (${error.code ?? error.message})`)),
  );
  const closed = new Promise((resolve) => child.once('close', resolve));
  child.on('exit', (code, signal) => {
    void Promise.race([closed, sleep(DRAIN_MS)]).then(() => {
      const isOfRanks = code === RANKS_ENDED;
      const how = isOfRanks ? last : [signal ?? `exit code ${code}`, last].filter(Boolean).join(': ');
      const isRefused = !hasGreeted && signal === null && !isOfRanks;
      onEnd(
        failure ?? (isRefused ? engineMissing(`${python} did not start the torch engine (${how})`) : processEnded(how)),
      );
    });
  });
  return {
    pid: child.pid,
    send: (message) => {
      for (const part of encodeFrame(message)) child.stdin?.write(part);
    },
    end: () => void child.stdin?.end(),
    kill: () => void child.kill('SIGKILL'),
  };
}

function environment(options: EngineOptions & { readonly torch: TorchOptions }): NodeJS.ProcessEnv {
  return {
    ...process.env,
    ...childEnvironment(options, options.torch),
    GLIBC_TUNABLES: memorySettings(process.env.GLIBC_TUNABLES),
    PYTHONPATH: [TORCH_PACKAGE, process.env.PYTHONPATH].filter(Boolean).join(delimiter),
    PYTHONUNBUFFERED: '1',
    // Read when the libraries are loaded.
    OMP_NUM_THREADS: String(options.threads),
    TOKENIZERS_PARALLELISM: 'false',
    // A model is a folder here: nothing is looked up elsewhere.
    HF_HUB_OFFLINE: '1',
  };
}

function isHello(message: unknown): message is Hello {
  return typeof message === 'object' && message !== null && 'kind' in message && message.kind === 'hello';
}

function otherProtocol(message: unknown): SolopoError {
  const told = isHello(message) ? `speaks protocol ${message.protocol}` : 'did not say which protocol it speaks';
  return engineMissing(`the torch engine ${told}, and this program protocol ${PROTOCOL}`);
}

function engineMissing(what: string): SolopoError {
  return new SolopoError('engine-missing', `${what}; ${SET_UP_AGAIN}`);
}
