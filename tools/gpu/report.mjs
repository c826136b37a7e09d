// What a machine's GPU does: which device, whether its numbers are the processor's, and how fast. One JSON file comes of it.
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { cpus, release, tmpdir, totalmem } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const HERE = dirname(fileURLToPath(import.meta.url));

export async function report(args) {
  const { values } = parseArgs({
    args,
    options: {
      device: { type: 'string', default: 'webgpu' },
      json: { type: 'string', default: 'gpu-report.json' },
      minutes: { type: 'string', default: '10' },
      quick: { type: 'boolean', default: false },
    },
  });
  const deadline = performance.now() + Number(values.minutes) * 60_000;
  const env = { XDG_RUNTIME_DIR: tmpdir(), ...process.env };
  const figures = [];
  const result = {
    date: new Date().toISOString(),
    asked: values.device,
    machine: machine(),
    device: null,
    parity: null,
    figures,
    torch: null,
  };
  const save = () => writeFileSync(values.json, `${JSON.stringify(result, null, 2)}\n`);

  const driver = await findDriver(values.device, env);
  result.device = driver.chosen;
  save();
  if (!driver.chosen.usable) {
    console.log(`no ${values.device} here: ${driver.chosen.reason}`);
    console.log(`written: ${values.json}`);
    return 3;
  }
  console.log(`${values.device}: ${driver.chosen.name ?? 'unnamed'} (${driver.chosen.driver})`);

  const options = {
    device: values.device,
    threads: Math.min(8, cpus().length),
    ...(driver.chosen.memoryBytes && { maxDeviceMemoryBytes: 0.9 * driver.chosen.memoryBytes }),
  };
  for (const [name, given] of [['parity', {}], ...(values.quick ? QUICK : FULL)]) {
    const seconds = Math.min(LIMIT_SECONDS, (deadline - performance.now()) / 1000);
    const label = [name, ...Object.values(given)].join(' ');
    const outcome =
      seconds < 5
        ? { ok: false, error: 'not measured: the time was over' }
        : await measure(
            name,
            { ...options, ...(values.quick && { runs: 2 }), ...given },
            { ...env, ...driver.env },
            seconds,
          );
    if (name === 'parity') result.parity = outcome.result ?? { passed: false, error: outcome.error };
    else figures.push({ measure: name, ...given, ...(outcome.ok ? outcome.result : { error: outcome.error }) });
    console.log(`${label}: ${outcome.ok ? JSON.stringify(outcome.result) : outcome.error}`);
    save();
  }
  result.torch = torch(values.quick, (deadline - performance.now()) / 1000);
  console.log(`torch: ${JSON.stringify(result.torch)}`);
  save();
  console.log(`written: ${values.json}`);
  return result.parity.passed ? 0 : 1;
}

const LIMIT_SECONDS = 180;

const QUICK = [
  ['matmul', { size: 256 }],
  ['matmul', { size: 256, dtype: 'float16' }],
  ['block', { shape: 'tiny', length: 64 }],
  ['block', { shape: 'tiny', length: 64, frozenWeights: 'float16' }],
  ['step', { shape: 'tiny', short: 16, long: 32, response: 4 }],
  ['score', { shape: 'tiny', length: 32, response: 4 }],
  ['sample', { shape: 'tiny', length: 16, samples: 4, newTokens: 4 }],
];

const FULL = [
  ...[1024, 2048, 4096].map((size) => ['matmul', { size }]),
  ['matmul', { size: 4096, dtype: 'float16' }],
  ...['0.5B', '1.5B', '7B'].flatMap((shape) => [
    ['block', { shape, length: 2048 }],
    ['block', { shape, length: 2048, frozenWeights: 'float16' }],
  ]),
  ...['0.5B', '1.5B', '7B'].flatMap((shape) => [
    ['step', { shape, short: 512, long: 2048, response: 128 }],
    ['score', { shape, length: 2048, response: 128 }],
    ['sample', { shape, length: 1024, samples: 32, newTokens: 32 }],
  ]),
  ...['1.5B', '7B'].flatMap((shape) => [
    ['step', { shape, short: 512, long: 2048, response: 128, frozenWeights: 'float16' }],
    ['score', { shape, length: 2048, response: 128, frozenWeights: 'float16' }],
  ]),
];

export function machine() {
  const [cpu] = cpus();
  return {
    cpu: cpu?.model.trim() ?? null,
    cores: cpus().length,
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    kernel: release(),
    node: process.version,
    nvidiaSmi: output('nvidia-smi', ['--query-gpu=name,memory.total,driver_version', '--format=csv,noheader']),
    vulkanDrivers: ['/etc/vulkan/icd.d', '/usr/share/vulkan/icd.d'].flatMap((folder) =>
      existsSync(folder) ? readdirSync(folder).map((file) => join(folder, file)) : [],
    ),
  };
}

/** The first of the ways to reach the GPU that works: as the system is set up, or by what NVIDIA's driver brings. */
async function findDriver(device, env) {
  const own = (file) => ({ VK_DRIVER_FILES: join(HERE, 'icd', file) });
  const ways = [
    { driver: env.VK_DRIVER_FILES ?? "the system's Vulkan drivers", env: {} },
    ...(device === 'webgpu' && existsSync(join(HERE, 'icd'))
      ? [
          { driver: 'libGLX_nvidia.so.0', env: own('nvidia-glx.json') },
          { driver: 'libEGL_nvidia.so.0', env: own('nvidia-egl.json') },
        ]
      : []),
  ];
  const reasons = [];
  for (const way of ways) {
    const chosen = await probe(device, { ...env, ...way.env });
    if (chosen.ok) return { env: way.env, chosen: { usable: true, driver: way.driver, ...chosen.result } };
    reasons.push(`${way.driver}: ${chosen.error}`);
  }
  return { env: {}, chosen: { usable: false, reason: reasons.join('; ') } };
}

async function probe(device, env) {
  const script = `import { chooseDevice } from '@solopo/lm';
    try { console.log(JSON.stringify({ ok: true, result: await chooseDevice(${JSON.stringify(device)}) })); }
    catch (error) { console.log(JSON.stringify({ ok: false, error: error.message })); }
    process.exit(0);`;
  return child(['--input-type=module', '-e', script], env, 120);
}

function measure(name, options, env, seconds) {
  return child([join(HERE, 'measure.mjs'), name, JSON.stringify(options)], env, seconds);
}

/** Runs this Node on something whose last line is its result. A crash, and running too long, are results too. */
function child(args, env, seconds) {
  return new Promise((resolve) => {
    const started = spawn(process.execPath, args, { cwd: HERE, env, stdio: ['ignore', 'pipe', 'pipe'] });
    let text = '';
    let errors = '';
    started.stdout.on('data', (data) => (text += data));
    started.stderr.on('data', (data) => (errors = `${errors}${data}`.slice(-2000)));
    const timer = setTimeout(() => started.kill('SIGKILL'), seconds * 1000);
    const startedAt = performance.now();
    started.on('close', (code, signal) => {
      clearTimeout(timer);
      try {
        resolve(JSON.parse(text.trim().split('\n').at(-1)));
      } catch {
        const late = performance.now() - startedAt >= seconds * 1000;
        const ending = late ? `took more than ${Math.round(seconds)} s` : `ended with ${signal ?? `code ${code}`}`;
        resolve({ ok: false, error: `${ending}${errors ? `: ${errors.trim().split('\n').at(-1)}` : ''}` });
      }
    });
  });
}

function output(program, args, options = {}) {
  const { status, stdout } = spawnSync(program, args, { encoding: 'utf8', timeout: 10_000, ...options });
  return status === 0 ? stdout.trim() : null;
}

/** PyTorch's figures of the same block and products, where it is installed. */
function torch(quick, seconds) {
  const python = process.env.SOLOPO_PYTHON ?? 'python3';
  const version = output(python, ['-c', 'import torch; print(torch.__version__, torch.cuda.is_available())'], {
    timeout: 60_000,
  });
  if (version === null) return { measured: false, reason: `${python} has no torch` };
  if (seconds < 10) return { measured: false, reason: 'the time was over', version };
  const folder = mkdtempSync(join(tmpdir(), 'solopo-torch-'));
  try {
    const file = join(folder, 'torch.json');
    const { status, stderr } = spawnSync(
      python,
      [join(HERE, 'torch_figures.py'), file, ...(quick ? ['--quick'] : [])],
      {
        encoding: 'utf8',
        timeout: seconds * 1000,
      },
    );
    if (status !== 0)
      return { measured: false, version, reason: stderr.trim().split('\n').at(-1) || 'it took too long' };
    return { measured: true, version, figures: JSON.parse(output('cat', [file])) };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
