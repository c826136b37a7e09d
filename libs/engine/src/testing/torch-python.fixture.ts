import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../../../..', import.meta.url));

/** The Python of the torch engine for tests: the one that SOLOPO_TORCH_PYTHON names, or that `./solopo engine add torch` set up. */
export function torchPython(): string | undefined {
  const named = process.env['SOLOPO_TORCH_PYTHON'];
  if (named) return named;
  const record = join(ROOT, '.solopo', 'engines', 'torch', 'installed.json');
  if (!existsSync(record)) return undefined;
  return (JSON.parse(readFileSync(record, 'utf8')) as { readonly python: string }).python;
}

export const NO_TORCH = 'no Python with PyTorch: name one in SOLOPO_TORCH_PYTHON, or run ./solopo engine add torch';
