import { ask } from './command.ts';
import { requirements, unmet } from './requirements.ts';

export interface CheckedTorch {
  /** By package; null: it is not there. */
  readonly versions: Readonly<Record<string, string | null>>;
  /** The engine's, where it works. */
  readonly fingerprint: string | null;
  /** Why it does not. */
  readonly fault: string | null;
}

const START_MS = 300_000;
const VERSIONS = `
import importlib.metadata as found, json, sys
def version(name):
    try:
        return found.version(name)
    except found.PackageNotFoundError:
        return None
print(json.dumps({name: version(name) for name in sys.argv[1:]}))
`;

/** Starts the engine's process as a worker does, and asks it for its fingerprint. */
export async function checkTorch(python: string): Promise<CheckedTorch> {
  const wanted = requirements();
  const { ok, output } = await ask(python, ['-c', VERSIONS, ...wanted.map(({ name }) => name)]);
  const versions = ok ? versionsIn(lastLine(output)) : undefined;
  if (versions === undefined)
    return {
      versions: {},
      fingerprint: null,
      fault: `${python} is no Python that runs: ${lastLine(output) || 'it wrote nothing'}`,
    };
  const faults = unmet(wanted, versions);
  if (faults.length > 0) return { versions, fingerprint: null, fault: faults.join('; ') };
  // Only here: it brings the libraries of the other engine with it.
  const { Engine } = await import('@solopo/engine');
  const engine = new Engine({ threads: 1, device: 'auto', torch: { python } });
  try {
    const fingerprint = await engine.run('fingerprint', {}, { engine: 'torch', signal: AbortSignal.timeout(START_MS) });
    return { versions, fingerprint, fault: null };
  } catch (error) {
    return { versions, fingerprint: null, fault: error instanceof Error ? error.message : String(error) };
  } finally {
    engine.close();
  }
}

function versionsIn(line: string): CheckedTorch['versions'] | undefined {
  try {
    return JSON.parse(line) as CheckedTorch['versions'];
  } catch {
    return undefined;
  }
}

function lastLine(text: string): string {
  return text.split('\n').at(-1) ?? '';
}
