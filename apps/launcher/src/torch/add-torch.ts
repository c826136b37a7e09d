import { existsSync, mkdirSync, rmSync, statfsSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { checkTorch } from './check-torch.ts';
import { ask, show } from './command.ts';
import { findPython, type Python } from './python.finder.ts';
import { LOCK, requirements } from './requirements.ts';
import { writeRecord } from './torch.folder.ts';

export interface AddOptions {
  readonly folder: string;
  readonly python: string | undefined;
  /** In place of the one that pip is configured with. */
  readonly index: string | undefined;
  /** In place of the versions that it is tested with. */
  readonly constraints: string | undefined;
  readonly say: (line: string) => void;
}

const GB = 1e9;

/** Gigabytes to fetch, on disk in the end, and on disk on the way: what is fetched stays until all is unpacked. */
const SIZES = {
  /** The wheel of PyPI, which brings CUDA's libraries. */
  cuda: { fetch: 4, disk: 6, least: 10 },
  other: { fetch: 0.4, disk: 1.5, least: 2.5 },
};

/**
 * Makes the virtual environment, or goes on with one that was begun, and sees that it works.
 *
 * @throws Error that says what to do
 */
export async function addTorch({ folder, index, constraints, say, ...options }: AddOptions): Promise<void> {
  const limits = constraints === undefined ? LOCK : resolve(constraints);
  if (!existsSync(limits))
    throw new Error(
      constraints === undefined
        ? `${LOCK} is missing; this copy of the program has no torch engine: take it from a release, or the whole repository.`
        : `--constraints names ${limits}, which is not there; name a file of versions as pip reads it.`,
    );
  const python = await findPython(options.python);
  const isCuda = process.platform === 'linux' && process.arch === 'x64' && index === undefined;
  const size = isCuda ? SIZES.cuda : SIZES.other;
  const tool = (await ask('uv', ['--version'])).ok ? 'uv' : 'pip';
  say(`PyTorch in ${folder}, by ${tool}, with Python ${python.version} (${python.path})`);
  say(
    isCuda
      ? `About ${size.fetch} GB to fetch and ${size.disk} GB on disk, since the wheel of torch brings CUDA's libraries: two to five minutes. A smaller wheel: --index with the address of PyTorch's index of wheels for processors`
      : `About ${size.fetch} GB to fetch and ${size.disk} GB on disk`,
  );
  mkdirSync(folder, { recursive: true });
  demandRoom(folder, size.least);

  const environment = join(folder, 'venv');
  const own = join(environment, 'bin', 'python');
  const downloads = join(folder, 'downloads');
  mkdirSync(downloads, { recursive: true });
  await makeEnvironment(tool, python, environment);
  const packages = requirements().map(({ name, bounds }) => `${name}${bounds}`);
  const from = index === undefined ? [] : ['--index-url', index];
  const args = ['install', ...packages, '--constraint', limits, ...from];
  // What was fetched is kept beside, so that a next try need not fetch it again; and a small /tmp does not matter.
  const env = {
    ...(tool === 'uv' && index === undefined && (await indexOfPip(python.path))),
    PIP_CACHE_DIR: downloads,
    UV_CACHE_DIR: downloads,
    TMPDIR: downloads,
    PIP_DISABLE_PIP_VERSION_CHECK: '1',
  };
  const code =
    tool === 'uv'
      ? await show('uv', ['pip', ...args, '--python', own], env)
      : await show(own, ['-m', 'pip', ...args], env);
  if (code !== 0)
    throw new Error(
      `${tool} ended with ${code === null ? 'a signal' : `exit code ${code}`}; mend what it says, then run this again: what was fetched is kept in ${downloads}.`,
    );

  say('Starting it');
  const { fingerprint, fault } = await checkTorch(own);
  if (fingerprint === null)
    throw new Error(
      `PyTorch was installed, and the engine does not work: ${fault ?? 'it gave no answer'}. Mend that (another --python, --index or --constraints), then run this again.`,
    );
  writeRecord(folder, { python: own, fingerprint });
  rmSync(downloads, { recursive: true, force: true });
  say(`The torch engine works: ${fingerprint}`);
  say('Systems that are started from now on have it; set "engine: torch" in a run.');
}

/** uv does not read pip's settings: a mirror that pip is configured with is its, too. */
async function indexOfPip(python: string): Promise<NodeJS.ProcessEnv> {
  if (process.env['UV_INDEX_URL'] || process.env['UV_DEFAULT_INDEX']) return {};
  const named = process.env['PIP_INDEX_URL'];
  const { ok, output } = await ask(python, ['-m', 'pip', 'config', 'get', 'global.index-url']);
  const url = named || (ok ? output.split('\n').at(-1) : undefined);
  return url ? { UV_DEFAULT_INDEX: url } : {};
}

/** One that was made with another Python is made anew. */
async function makeEnvironment(tool: 'uv' | 'pip', { path, version }: Python, environment: string): Promise<void> {
  const own = join(environment, 'bin', 'python');
  const { ok, output } = await ask(own, ['--version']);
  if (ok && output === `Python ${version}`) return;
  rmSync(environment, { recursive: true, force: true });
  const made =
    tool === 'uv'
      ? await ask('uv', ['venv', '--python', path, environment])
      : await ask(path, ['-m', 'venv', environment]);
  if (made.ok) return;
  rmSync(environment, { recursive: true, force: true });
  throw new Error(
    `No virtual environment could be made with ${path}: ${made.output.split('\n')[0] ?? ''}\nInstall its venv module (apt-get install python3-venv) or uv, or name another Python with --python, then run this again.`,
  );
}

/** @throws Error where the disk has not so many gigabytes left */
export function demandRoom(folder: string, least: number): void {
  const { bavail, bsize } = statfsSync(folder);
  const free = (bavail * bsize) / GB;
  if (free >= least) return;
  throw new Error(
    `${free.toFixed(1)} GB are free where ${dirname(folder)} lies, and ${least} GB are needed on the way; make room, or name a folder elsewhere with --data (for up and demo, too).`,
  );
}
