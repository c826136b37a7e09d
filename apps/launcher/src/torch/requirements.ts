import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT } from '../service.plan.ts';

/** The engine's own code, which comes with the product; an environment has what it needs. */
export const PACKAGE = join(ROOT, 'engines', 'torch');
/** What it is tested with. */
export const LOCK = join(PACKAGE, 'requirements.lock');

export interface Requirement {
  readonly name: string;
  /** As pip reads it: `>=2.13,<2.14`. */
  readonly bounds: string;
}

/** What the package's pyproject.toml says that it needs. */
export function requirements(
  pyproject = readFileSync(join(PACKAGE, 'pyproject.toml'), 'utf8'),
): readonly Requirement[] {
  const [, list = ''] = /^dependencies = \[([^\]]*)\]/m.exec(pyproject) ?? [];
  return [...list.matchAll(/"([A-Za-z0-9._-]+?)\s*((?:[<>=!~]=?|===).*?)"/g)].map(([, name, bounds]) => ({
    name: name as string,
    bounds: bounds as string,
  }));
}

/** What is missing or has another version than it must, each with what was found. */
export function unmet(
  wanted: readonly Requirement[],
  found: Readonly<Record<string, string | null>>,
): readonly string[] {
  return wanted.flatMap(({ name, bounds }) => {
    const version = found[name];
    if (!version) return [`${name} is missing`];
    const faults = bounds.split(',').filter((bound) => !meets(version, bound.trim()));
    if (faults.length === 0) return [];
    const how = faults.some((bound) => bound.trim().startsWith('<')) ? 'too new' : 'too old';
    return [`${name} ${version} is ${how} (it must be ${bounds})`];
  });
}

function meets(version: string, bound: string): boolean {
  const [, operator = '', wanted = ''] = /^(>=|<=|==|<|>)(.+)$/.exec(bound) ?? [];
  const order = compare(version, wanted);
  return { '>=': order >= 0, '<=': order <= 0, '==': order === 0, '<': order < 0, '>': order > 0 }[operator] ?? true;
}

/** Releases alone: what follows the numbers (`+cpu`, `rc1`) does not count. */
function compare(a: string, b: string): number {
  const [left, right] = [a, b].map((text) => (/^[\d.]+/.exec(text)?.[0] ?? '').split('.').map(Number)) as [
    number[],
    number[],
  ];
  for (let i = 0; i < Math.max(left.length, right.length); i++) {
    const difference = (left[i] ?? 0) - (right[i] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}
