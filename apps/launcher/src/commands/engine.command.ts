import { rmSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { DATA } from '../data-folders.ts';
import type { LauncherOptions } from '../options.ts';
import { runningLauncher } from '../orphans.ts';
import { StateFile } from '../state.file.ts';
import { addTorch } from '../torch/add-torch.ts';
import { checkTorch } from '../torch/check-torch.ts';
import { installedTorch, torchFolder } from '../torch/torch.folder.ts';

/** Of `add` alone. */
export const ADD = { python: { type: 'string' }, index: { type: 'string' }, constraints: { type: 'string' } } as const;

/** `engine add torch`, `engine list`, `engine remove torch`. */
export async function engine({ data, rest }: LauncherOptions): Promise<number> {
  const [action, ...args] = rest;
  const say = (line: string): void => console.log(line);
  switch (action) {
    case 'add': {
      const { values, positionals } = parse(args);
      demandTorch(action, positionals);
      const { python, index, constraints } = values;
      await addTorch({ folder: torchFolder(data), python, index, constraints, say });
      return 0;
    }
    case 'list':
      refuse(args);
      return list(data, say);
    case 'remove':
      demandTorch(action, args);
      remove(data, say);
      return 0;
    default:
      throw new Error(`engine wants add, list or remove; ./solopo engine --help tells what each does.`);
  }
}

async function list(data: string | undefined, say: (line: string) => void): Promise<number> {
  say('onnx    onnxruntime: part of every worker');
  const python = installedTorch(data);
  if (python === undefined) {
    say('torch   not set up; ./solopo engine add torch');
    return 0;
  }
  const { versions, fingerprint, fault } = await checkTorch(python);
  const told = Object.entries(versions).map(([name, version]) => `${name} ${version ?? 'missing'}`);
  const isNamed = process.env['SOLOPO_TORCH_PYTHON'] === python;
  say(`torch   ${python}${isNamed ? ' (SOLOPO_TORCH_PYTHON)' : ''}${told.length === 0 ? '' : `: ${told.join(', ')}`}`);
  say(
    fingerprint === null ? `        does not work: ${fault ?? 'it gave no answer'}` : `        works: ${fingerprint}`,
  );
  if (fingerprint === null)
    say(
      isNamed
        ? '        name a Python that has what is missing, or unset SOLOPO_TORCH_PYTHON and run ./solopo engine add torch'
        : '        ./solopo engine add torch sets it up again',
    );
  return fingerprint === null ? 1 : 0;
}

function remove(data: string | undefined, say: (line: string) => void): void {
  const folders = data === undefined ? Object.values(DATA) : [data];
  const busy = folders.find((folder) => runningLauncher(new StateFile(folder)) !== undefined);
  if (busy !== undefined)
    throw new Error(`A system runs on ${busy}, whose workers may use the engine; stop it with ./solopo down first.`);
  const folder = torchFolder(data);
  rmSync(folder, { recursive: true, force: true });
  say(`Removed ${folder}.`);
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({ args: [...args], options: ADD, allowPositionals: true });
  } catch (error) {
    throw new Error(`${(error as Error).message.split('. ')[0]}; ./solopo engine --help lists its options.`);
  }
}

function demandTorch(action: string, names: readonly string[]): void {
  if (names.length === 1 && names[0] === 'torch') return;
  throw new Error(
    names.length === 0
      ? `engine ${action} wants the name of an engine: ./solopo engine ${action} torch`
      : `engine ${action} does not know ${names.join(' ')}; the engine to ${action} is torch: onnx is part of every worker.`,
  );
}

function refuse(args: readonly string[]): void {
  if (args.length > 0)
    throw new Error(`engine list does not know ${args.join(' ')}; ./solopo engine --help lists its options.`);
}
