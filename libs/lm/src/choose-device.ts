import { execFile } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { promisify } from 'node:util';
import { Graph } from '@solopo/onnx-graph';
import { DeviceError, softwareDriver, type Device } from './device.ts';
import { Runtime } from './runtime.ts';
import { float32 } from './tensor.ts';

export interface ChosenDevice {
  readonly device: Device;
  /** Why this one, in words. */
  readonly reason: string;
  /** What the GPU calls itself; null where nothing says. */
  readonly name: string | null;
  /** The GPU's memory; null where nothing says. */
  readonly memoryBytes: number | null;
}

/** A GPU as the operating system tells of it. */
interface Gpu {
  readonly name: string | null;
  readonly memoryBytes: number | null;
}

/**
 * The device to compute on. What is asked for is used or refused; `auto` takes a GPU where WebGPU finds one, otherwise the
 * processor.
 *
 * @throws DeviceError when a device is asked for that is not there, with what to do about it
 */
export async function chooseDevice(asked: 'auto' | Device): Promise<ChosenDevice> {
  if (asked === 'cpu') return { ...CPU, reason: 'asked for' };
  if (asked !== 'auto') {
    await probe(asked);
    return { device: asked, reason: 'asked for', ...(await gpuInUse()) };
  }
  const gpu = await findGpu();
  if (!gpu) return { ...CPU, reason: 'no GPU was found on this machine' };
  const called = gpu.name ?? 'a GPU';
  try {
    await probe('webgpu');
    return { device: 'webgpu', reason: `${called} was found`, ...gpu };
  } catch (error) {
    if (!(error instanceof DeviceError)) throw error;
    return { ...CPU, reason: `${called} was found, but cannot be used: ${error.message}` };
  }
}

const CPU = { device: 'cpu', name: null, memoryBytes: null } as const;

/** Computes something small on the device. */
async function probe(device: Device): Promise<void> {
  const runtime = new Runtime({ threads: 1, device });
  const graph = (): Graph => {
    const g = new Graph('probe');
    g.output('y', g.exp(g.input('x', 'float32', [1])));
    return g;
  };
  try {
    await runtime.run('probe', graph, { x: float32(Float32Array.of(0), [1]) }, ['y']);
  } finally {
    await runtime.close();
  }
}

/** A software driver that the environment names is no GPU, but it is what WebGPU then uses. */
async function gpuInUse(): Promise<Gpu> {
  const software = softwareDriver();
  if (software) return { name: `software driver (${software})`, memoryBytes: null };
  return (await findGpu()) ?? { name: null, memoryBytes: null };
}

/** The first GPU of this machine; null where there is none. Only Linux tells whether there is one. */
async function findGpu(): Promise<Gpu | null> {
  if (process.platform !== 'linux') return { name: null, memoryBytes: null };
  return (await nvidiaGpu()) ?? amdGpu() ?? (hasRenderNode() ? { name: null, memoryBytes: null } : null);
}

async function nvidiaGpu(): Promise<Gpu | null> {
  if (!existsSync('/dev/nvidiactl') && !existsSync('/dev/nvidia0')) return null;
  try {
    const query = ['--query-gpu=name,memory.total', '--format=csv,noheader,nounits'];
    const { stdout } = await promisify(execFile)('nvidia-smi', query, { timeout: 10_000 });
    const [name, mebibytes] = (stdout.split('\n')[0] ?? '').split(', ');
    return { name: name ?? null, memoryBytes: mebibytes ? Number(mebibytes) * 2 ** 20 : null };
  } catch {
    return { name: 'an NVIDIA GPU', memoryBytes: null };
  }
}

function amdGpu(): Gpu | null {
  for (const card of entries('/sys/class/drm').filter((entry) => /^card\d+$/.test(entry))) {
    const path = `/sys/class/drm/${card}/device/mem_info_vram_total`;
    if (existsSync(path)) return { name: `an AMD GPU${pciIds(card)}`, memoryBytes: Number(readFileSync(path, 'utf8')) };
  }
  return null;
}

/** Of what make it is: ` (1002:744c)`; nothing where the kernel does not tell. */
function pciIds(card: string): string {
  const [vendor, device] = ['vendor', 'device'].map((part) => `/sys/class/drm/${card}/device/${part}`);
  if (!vendor || !device || !existsSync(vendor) || !existsSync(device)) return '';
  const id = (path: string): string => readFileSync(path, 'utf8').trim().replace('0x', '');
  return ` (${id(vendor)}:${id(device)})`;
}

const hasRenderNode = (): boolean => entries('/dev/dri').some((entry) => entry.startsWith('renderD'));

function entries(folder: string): string[] {
  return existsSync(folder) ? readdirSync(folder) : [];
}
