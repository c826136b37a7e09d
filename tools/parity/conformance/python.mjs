import { execFileSync } from 'node:child_process';
import { hash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';

const REQUIREMENTS = join(import.meta.dirname, '../requirements.txt');

/**
 * The Python to ask: the one that is named (`--python`, SOLOPO_PYTHON), or that of `.solopo/parity` (see ../README.md). With a version of
 * transformers, an environment of its own that has it, over what the named Python has besides, or over requirements.txt.
 */
export function choosePython({ python, version, cache, say }) {
  const usual = resolve('.solopo/parity/bin/python');
  const named = python ?? process.env.SOLOPO_PYTHON ?? (existsSync(usual) ? usual : undefined);
  if (version !== undefined) return withTransformers(version, named, join(cache, 'environments'), say);
  if (named === undefined)
    throw new Error(
      'no Python with transformers: name one with --python or SOLOPO_PYTHON, make .solopo/parity (tools/parity/README.md), or name a version with --transformers',
    );
  return named;
}

function withTransformers(version, named, folder, say) {
  const environment = resolve(
    folder,
    `transformers-${version}${named === undefined ? '' : `-over-${hash('sha256', named).slice(0, 8)}`}`,
  );
  const python = join(environment, 'bin/python');
  if (existsSync(python)) return python;
  say(`making ${environment}`);
  const draft = `${environment}.part`;
  rmSync(draft, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  const base = named ?? 'python3';
  run(base, ['-m', 'venv', draft]);
  if (named !== undefined) {
    // What the named Python has is found behind what is installed here.
    const sites = run(named, ['-c', 'import site; print("\\n".join(site.getsitepackages()))']);
    const [library] = readdirSync(join(draft, 'lib'));
    writeFileSync(join(draft, 'lib', library, 'site-packages', 'over.pth'), sites);
  }
  const inDraft = join(draft, 'bin/python');
  const pip = ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check'];
  if (named === undefined) run(inDraft, [...pip, '-r', REQUIREMENTS]);
  run(inDraft, [...pip, `transformers==${version}`]);
  // Scripts of the environment name the draft's path, its Python does not: it is the Python alone that is used.
  renameSync(draft, environment);
  return python;
}

function run(program, args) {
  return execFileSync(program, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] });
}
