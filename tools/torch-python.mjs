import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT } from './bootstrap/run.mjs';

/** The Python of the torch engine: the one that SOLOPO_TORCH_PYTHON names, or that `./solopo engine add torch` set up. */
export function torchPython() {
  const { SOLOPO_TORCH_PYTHON } = process.env;
  if (SOLOPO_TORCH_PYTHON) return SOLOPO_TORCH_PYTHON;
  try {
    return JSON.parse(readFileSync(join(ROOT, '.solopo/engines/torch/installed.json'), 'utf8')).python;
  } catch {
    return undefined;
  }
}
