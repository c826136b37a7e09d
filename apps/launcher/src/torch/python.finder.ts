import { ask } from './command.ts';

const LEAST = [3, 11] as const;
const USUAL = ['python3.14', 'python3.13', 'python3.12', 'python3.11', 'python3', 'python'];
const INSTALL =
  'install Python 3.11 or newer with its venv (apt-get install python3 python3-venv, brew install python), or name one with --python';

export interface Python {
  readonly path: string;
  readonly version: string;
}

/**
 * A Python that is new enough.
 *
 * @throws Error that says what to do where there is none, or the named one will not do
 */
export async function findPython(named: string | undefined): Promise<Python> {
  if (named !== undefined) {
    const python = await look(named);
    if (python === undefined) throw new Error(`--python names ${named}, which is no Python that runs; ${INSTALL}.`);
    if (!isNewEnough(python)) throw new Error(`${python.path} is Python ${python.version}, too old; ${INSTALL}.`);
    return python;
  }
  const tooOld: Python[] = [];
  for (const name of USUAL) {
    const python = await look(name);
    if (python !== undefined && isNewEnough(python)) return python;
    if (python !== undefined) tooOld.push(python);
  }
  const [old] = tooOld;
  throw new Error(
    old === undefined
      ? `No Python was found; ${INSTALL}.`
      : `${old.path} is Python ${old.version}, too old, and no newer one was found; ${INSTALL}.`,
  );
}

async function look(name: string): Promise<Python | undefined> {
  const script = 'import sys; print(sys.executable); print(".".join(map(str, sys.version_info[:3])))';
  const { ok, output } = await ask(name, ['-c', script]);
  const [path, version] = output.split('\n');
  return ok && path && version && /^\d+\.\d+\.\d+$/.test(version) ? { path, version } : undefined;
}

function isNewEnough({ version }: Python): boolean {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  return major > LEAST[0] || (major === LEAST[0] && minor >= LEAST[1]);
}
