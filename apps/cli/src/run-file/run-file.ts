import { runConfigSchema } from '@solopo/contracts';
import {
  isAlias,
  isMap,
  isNode,
  isScalar,
  isSeq,
  LineCounter,
  parse,
  parseDocument,
  type Document,
  type Node,
} from 'yaml';
import type { NewRun } from '../client/api.views.ts';
import { UsageError } from '../usage.error.ts';
import { faultsOf, type Fault } from './issues.ts';
import { RunFileError } from './run-file.error.ts';

type Path = Fault['path'];

/** `training.learningRate=1e-5`: the key's path, and its value as YAML. */
export interface Setting {
  readonly path: Path;
  readonly value: unknown;
}

export function parseSetting(text: string): Setting {
  const [, key = '', value = ''] = /^([\w.-]+)=(.*)$/s.exec(text) ?? [];
  if (key === '') throw new UsageError(`--set wants KEY=VALUE, such as training.learningRate=1e-5, not ${text}.`);
  try {
    const path = key.split('.').map((part) => (/^\d+$/.test(part) ? Number(part) : part));
    return { path, value: parse(value) as unknown };
  } catch (error) {
    throw new UsageError(`--set ${key}: ${(error as Error).message.split('\n')[0]}`, { cause: error });
  }
}

/** Reads a run from YAML (JSON is YAML too). @throws RunFileError that names each fault's file, line and key */
export function readRunFile(source: string, file: string, settings: readonly Setting[] = []): NewRun {
  const lines = new LineCounter();
  const document = parseDocument(source, { lineCounter: lines, prettyErrors: false });
  const at = (offset: number): string => {
    const { line, col } = lines.linePos(offset);
    return `${file}:${line}:${col}`;
  };
  if (document.errors.length > 0)
    throw new RunFileError(document.errors.map(({ pos, message }) => `${at(pos[0])}: ${message}`));
  for (const setting of settings) apply(document, setting);

  const config = valueOf(document, file);
  const { error } = runConfigSchema.safeParse(config);
  if (error === undefined) return config as NewRun;
  throw new RunFileError(
    faultsOf(error.issues).map((fault) => {
      const name = fault.path.join('.');
      const set = settings.find(({ path }) => path.every((part, index) => fault.path[index] === part));
      const place = set === undefined ? at(offsetOf(document, fault)) : `--set ${set.path.join('.')}`;
      return `${place}: ${name === '' ? '' : `${name}: `}${fault.reason}`;
    }),
  );
}

function apply(document: Document, { path, value }: Setting): void {
  try {
    document.setIn(path, document.createNode(value));
  } catch (error) {
    throw new UsageError(`--set ${path.join('.')}: there is no such place in the run file; name another key.`, {
      cause: error,
    });
  }
}

function valueOf(document: Document, file: string): unknown {
  try {
    return document.toJS() as unknown;
  } catch (error) {
    throw new RunFileError([`${file}: ${(error as Error).message}`]);
  }
}

/** Where the value stands, or its key, or of what surrounds it as much as there is. */
function offsetOf(document: Document, { path, atKey }: Fault): number {
  let node: Node | null = document.contents;
  let offset = node?.range?.[0] ?? 0;
  for (const [index, part] of path.entries()) {
    if (isAlias(node)) node = node.resolve(document) ?? null;
    const [key, value] = childOf(node, part);
    if (key === undefined) return offset;
    const isKey = atKey && index === path.length - 1;
    offset = (isKey ? key : (value ?? key)).range?.[0] ?? offset;
    node = value ?? null;
  }
  return offset;
}

function childOf(node: Node | null, part: string | number): [key?: Node, value?: Node] {
  if (isMap(node)) {
    const pair = node.items.find(({ key }) => (isScalar(key) ? String(key.value) : key) === String(part));
    if (isNode(pair?.key)) return isNode(pair.value) ? [pair.key, pair.value] : [pair.key];
  }
  const item = isSeq(node) ? node.items[Number(part)] : undefined;
  return isNode(item) ? [item, item] : [];
}
