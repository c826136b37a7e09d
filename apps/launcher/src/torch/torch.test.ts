import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { demo } from '../commands/demo.command.ts';
import { engine } from '../commands/engine.command.ts';
import { parseOptions } from '../options.ts';
import { SERVICES } from '../service.plan.ts';
import { addTorch, demandRoom } from './add-torch.ts';
import { checkTorch } from './check-torch.ts';
import { findPython } from './python.finder.ts';
import { requirements, unmet } from './requirements.ts';
import { installedTorch, readRecord, torchFolder, writeRecord } from './torch.folder.ts';

let data: string;
let lines: string[];
beforeEach(() => {
  data = mkdtempSync(join(tmpdir(), 'solopo-torch-'));
  lines = [];
  vi.stubEnv('SOLOPO_TORCH_PYTHON', '');
  vi.spyOn(console, 'log').mockImplementation((line: string) => void lines.push(line));
});
afterEach(() => {
  vi.unstubAllEnvs();
  vi.restoreAllMocks();
  rmSync(data, { recursive: true, force: true });
});

/** A script in the place of a Python. */
function fakePython(name: string, script: string): string {
  const path = join(data, 'bin', name);
  mkdirSync(join(data, 'bin'), { recursive: true });
  writeFileSync(path, `#!/bin/sh\n${script}\n`);
  chmodSync(path, 0o755);
  return path;
}
const saying = (version: string) => `printf '%s\\n%s\\n' "$0" ${version}`;
const command = (...args: string[]) => engine(parseOptions(args));
const add = (options: Partial<Parameters<typeof addTorch>[0]>) =>
  addTorch({
    folder: torchFolder(data),
    python: undefined,
    index: undefined,
    constraints: undefined,
    say: (line) => void lines.push(line),
    ...options,
  });

describe('the Python of the torch engine', () => {
  it('is the newest on the PATH that is new enough, or the named one', async () => {
    fakePython('python3', saying('3.9.2'));
    fakePython('python3.12', saying('3.12.4'));
    const named = fakePython('mine', saying('3.13.0'));
    vi.stubEnv('PATH', join(data, 'bin'));
    expect(await findPython(undefined)).toMatchObject({ version: '3.12.4' });
    expect(await findPython(named)).toMatchObject({ path: named, version: '3.13.0' });
  });

  it.each([
    ['none', {}, undefined, /^No Python was found; install Python 3\.11 or newer/],
    [
      'too old',
      { python3: saying('3.9.2') },
      undefined,
      /python3 is Python 3\.9\.2, too old, and no newer one was found/,
    ],
    ['named and too old', { old: saying('3.10.11') }, 'old', /old is Python 3\.10\.11, too old; install/],
    ['named and no Python', { sh: 'exit 3' }, 'sh', /--python names sh, which is no Python that runs/],
    ['named and not there', {}, '/nowhere/python', /--python names \/nowhere\/python/],
  ])('is refused: %s', async (_, scripts, named, message) => {
    for (const [name, script] of Object.entries(scripts)) fakePython(name, script);
    mkdirSync(join(data, 'bin'), { recursive: true });
    vi.stubEnv('PATH', join(data, 'bin'));
    await expect(findPython(named)).rejects.toThrow(message);
  });
});

describe('what the engine needs', () => {
  it('is what its package says, each with its bounds', () => {
    const project =
      'name = "x"\ndependencies = [\n  "torch>=2.13,<2.14",\n  "numpy >= 2.4, <3",\n]\n[tool]\nlist = ["a>=1"]\n';
    expect(requirements(project)).toEqual([
      { name: 'torch', bounds: '>=2.13,<2.14' },
      { name: 'numpy', bounds: '>= 2.4, <3' },
    ]);
  });

  it.each([
    ['2.13.0', []],
    ['2.13.0+cpu', []],
    ['2.13.7', []],
    ['2.9.1', ['torch 2.9.1 is too old (it must be >=2.13,<2.14)']],
    ['2.14.0', ['torch 2.14.0 is too new (it must be >=2.13,<2.14)']],
    [null, ['torch is missing']],
  ])('is held against what is there: torch %s', (version, faults) => {
    expect(unmet([{ name: 'torch', bounds: '>=2.13,<2.14' }], { torch: version })).toEqual(faults);
  });
});

describe('setting the torch engine up', () => {
  it('says first what it takes, and refuses a disk without room', async () => {
    expect(() => demandRoom(data, 1e9)).toThrow(
      /GB are free where .* and 1000000000 GB are needed on the way; make room/,
    );
    const python = fakePython(
      'python',
      `[ "$1" = -c ] && { ${saying('3.12.4')}; exit; }\necho 'No module named venv' >&2; exit 1`,
    );
    await expect(add({ python })).rejects.toThrow(
      /No virtual environment could be made with .*: No module named venv\nInstall its venv module/,
    );
    expect(lines[0]).toContain(`PyTorch in ${torchFolder(data)}`);
    expect(lines[0]).toContain('with Python 3.12.4');
    expect(lines[1]).toMatch(/GB to fetch and .* GB on disk/);
    expect(installedTorch(data)).toBe(installedTorch(undefined));
  });

  it('names what pip could not do, keeps what was fetched, and is not taken for set up', async () => {
    // A fake of a Python whose environments have a pip that finds no network.
    const python = fakePython(
      'python',
      `[ "$1" = -c ] && { ${saying('3.12.4')}; exit; }
[ "$2" = venv ] && { /bin/mkdir -p "$3/bin"; /bin/cp "$0" "$3/bin/python"; exit; }
[ "$2" = pip ] && { echo "$@" > "$PIP_CACHE_DIR/asked"; exit 7; }`,
    );
    vi.stubEnv('PATH', join(data, 'bin'));
    await expect(add({ python, index: 'https://mirror.example.org/simple' })).rejects.toThrow(
      /pip ended with exit code 7; mend what it says, then run this again: what was fetched is kept in/,
    );
    const asked = readFileSync(join(torchFolder(data), 'downloads', 'asked'), 'utf8');
    for (const { name, bounds } of requirements()) expect(asked).toContain(`${name}${bounds}`);
    expect(asked).toMatch(/--constraint \S+requirements\.lock --index-url https:\/\/mirror\.example\.org\/simple/);
    expect(readRecord(torchFolder(data))).toBeUndefined();
  });

  it('refuses constraints that are not there', async () => {
    await expect(add({ constraints: '/nowhere/versions.txt' })).rejects.toThrow(
      '--constraints names /nowhere/versions.txt, which is not there',
    );
  });

  it('tells a Python without its libraries, and one that does not run', async () => {
    const empty = fakePython('empty', `echo '{"torch":"2.9.1","transformers":null}'`);
    const { fault } = await checkTorch(empty);
    expect(fault).toMatch(/torch 2\.9\.1 is too old .*; transformers is missing/);
    expect((await checkTorch('/nowhere/python')).fault).toMatch(/\/nowhere\/python is no Python that runs: .*ENOENT/);
  });

  it('tells a program that is no Python, whatever it writes and whether it fails', async () => {
    const silent = fakePython('silent', 'exit 0');
    expect((await checkTorch(silent)).fault).toBe(`${silent} is no Python that runs: it wrote nothing`);
    const talkative = fakePython('talkative', 'echo hello');
    expect((await checkTorch(talkative)).fault).toBe(`${talkative} is no Python that runs: hello`);
    const failing = fakePython('failing', "echo 'unknown option -c' >&2; exit 2");
    expect((await checkTorch(failing)).fault).toBe(`${failing} is no Python that runs: unknown option -c`);
  });
});

describe('./solopo engine', () => {
  it('lists what is there: the named Python before the folder of the data, and that before the common one', async () => {
    writeRecordOf('/in/the/folder');
    expect(installedTorch(data)).toBe('/in/the/folder');
    vi.stubEnv('SOLOPO_TORCH_PYTHON', '/named');
    expect(installedTorch(data)).toBe('/named');
    expect(await command('list', '--data', data)).toBe(1);
    expect(lines).toEqual([
      expect.stringContaining('onnx    '),
      'torch   /named (SOLOPO_TORCH_PYTHON)',
      expect.stringMatching(/does not work: \/named is no Python that runs/),
      expect.stringMatching(/name a Python that has what is missing, or unset SOLOPO_TORCH_PYTHON/),
    ]);
    lines.length = 0;
    vi.stubEnv('SOLOPO_TORCH_PYTHON', '');
    await command('list', '--data', data);
    expect(lines).toContainEqual(expect.stringContaining('./solopo engine add torch sets it up again'));
  });

  it('removes what it set up', async () => {
    writeRecordOf('/in/the/folder');
    expect(await command('remove', 'torch', '--data', data)).toBe(0);
    expect(existsSync(torchFolder(data))).toBe(false);
  });

  it.each([
    [[], 'engine wants add, list or remove'],
    [['start'], 'engine wants add, list or remove'],
    [['add'], 'engine add wants the name of an engine: ./solopo engine add torch'],
    [['add', 'jax'], 'engine add does not know jax; the engine to add is torch'],
    [['remove', 'onnx'], 'engine remove does not know onnx'],
    [['list', 'torch'], 'engine list does not know torch'],
    [['add', 'torch', '--gpu'], "Unknown option '--gpu'; ./solopo engine --help lists its options."],
  ])('refuses %j', async (args, message) => {
    await expect(command(...args)).rejects.toThrow(message);
  });

  it('is asked for before a demo by it is begun', async () => {
    if (installedTorch(undefined) !== undefined) return;
    for (const options of [['--engine', 'torch'], ['--engine=torch']])
      await expect(demo(parseOptions(['--data', data, ...options]), SERVICES)).rejects.toThrow(
        'demo --engine torch needs the torch engine, which is not set up; run ./solopo engine add torch first.',
      );
  });
});

function writeRecordOf(python: string): void {
  mkdirSync(torchFolder(data), { recursive: true });
  writeRecord(torchFolder(data), { python, fingerprint: 'torch' });
}
