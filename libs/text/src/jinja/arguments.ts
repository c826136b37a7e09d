import { JinjaError } from './faults.ts';
import { str } from './printing.ts';
import type { Arguments, Value } from './values.ts';
import { isList, Markup, typeName } from './values.ts';
import { lengthOf } from './text.ts';

/** A parameter's name, and its value where it is left out. */
export type Parameter = readonly [name: string] | readonly [name: string, whenLeftOut: Value];

/** As Python binds them: by place, then by name. */
export function bound(callee: string, { positional, named }: Arguments, parameters: readonly Parameter[]): Value[] {
  if (positional.length > parameters.length) {
    throw new JinjaError(`${callee}() takes ${parameters.length} arguments but ${positional.length} were given`);
  }
  const names = parameters.map(([name]) => name);
  for (const name of named.keys()) {
    const index = names.indexOf(name);
    if (index < 0) throw new JinjaError(`${callee}() got an unexpected keyword argument '${name}'`);
    if (index < positional.length) throw new JinjaError(`${callee}() got multiple values for argument '${name}'`);
  }
  return parameters.map(([name, ...rest], index) => {
    if (index < positional.length) return positional[index] as Value;
    const value = named.has(name) ? named.get(name) : rest[0];
    if (value === undefined) throw new JinjaError(`${callee}() missing the argument '${name}'`);
    return value;
  });
}

export function asText(value: Value, what: string): string {
  if (typeof value === 'string') return value;
  if (value instanceof Markup) return value.text;
  throw new JinjaError(`${what} must be str, not ${typeName(value)}`);
}

export function asOptionalText(value: Value, what: string): string | undefined {
  return value === null ? undefined : asText(value, what);
}

/** A bool is an int. */
export function asInt(value: Value, what: string): bigint {
  if (typeof value === 'bigint') return value;
  if (typeof value === 'boolean') return value ? 1n : 0n;
  throw new JinjaError(`${what}: '${typeName(value)}' object cannot be interpreted as an integer`);
}

/** For counts and widths, which are small; greater ones stay great. */
export function asCount(value: Value, what: string): number {
  return Number(asInt(value, what));
}

/** One character to fill with. */
export function asFill(value: Value): string {
  const text = asText(value, 'the fill character');
  if (lengthOf(text) !== 1) throw new JinjaError('The fill character must be exactly one character long');
  return text;
}

export function asList(value: Value, what: string): readonly Value[] {
  if (isList(value)) return value;
  throw new JinjaError(`${what} must be a list, not ${typeName(value)} ${str(value).slice(0, 20)}`);
}
