/** What the template machine runs: it takes and gives JSON. */
import { Template } from './interpreter.ts';
import type { Value } from './values.ts';
import { Dict } from './values.ts';

let template: Template | undefined;

export function open(source: string): string {
  template = new Template(JSON.parse(source) as string);
  return 'null';
}

export function render(variables: string, longest: number): string {
  const given = Object.entries(JSON.parse(variables) as Record<string, unknown>);
  const text = template?.render(new Map(given.map(([name, value]) => [name, valueOf(value)]))) ?? '';
  if (text.length > longest) throw new Error(`it renders more than ${longest} characters`);
  return JSON.stringify(text);
}

export function literals(): string {
  return JSON.stringify(template?.literals().join('\0') ?? '');
}

/** JSON's values; a number without a fraction is an `int`. */
function valueOf(json: unknown): Value {
  if (json === null || typeof json === 'string' || typeof json === 'boolean') return json;
  if (typeof json === 'number') return Number.isInteger(json) ? BigInt(json) : json;
  if (Array.isArray(json)) return json.map(valueOf);
  return new Dict(Object.entries(json as object).map(([key, value]) => [key, valueOf(value)]));
}
