import { bound } from './arguments.ts';
import type { Parameter } from './arguments.ts';
import { JinjaError, NotRendered } from './faults.ts';
import { FILTER_NAMES } from './filters.ts';
import { binary, compare, equal, iterableOf, numberOf } from './operators.ts';
import type { Comparison } from './operators.ts';
import { str } from './printing.ts';
import { isCased } from './text.ts';
import type { Arguments, Value } from './values.ts';
import { Attributed, Callable, Dict, isList, Markup, Range, Tuple, Undefined } from './values.ts';

type Test = (value: Value, given: Arguments) => boolean;

function test(check: (value: Value, ...values: Value[]) => boolean, ...parameters: Parameter[]): Test {
  return (value, given) => check(value, ...bound('test', given, parameters));
}

function comparing(operator: Comparison): Test {
  return test((value, other) => compare(operator, value, other), ['other']);
}

function modulo(value: Value, by: Value, rest: bigint): boolean {
  return equal(binary('%', value, by), rest);
}

/** Python's `is`, as far as it does not depend on what Python keeps in memory once. */
function isSame(a: Value, b: Value): boolean {
  if (a === null || b === null || typeof a === 'boolean' || typeof b === 'boolean') return a === b;
  if (typeof a === 'object' && typeof b === 'object' && !(a instanceof Tuple)) return a === b;
  if (typeof a === 'bigint' && a === b && a >= -5n && a <= 256n) return true;
  if (typeof a === typeof b && equal(a, b)) throw new NotRendered('the test sameas of equal values');
  return false;
}

const [EQ, NE, GT, GE, LT, LE] = (['==', '!=', '>', '>=', '<', '<='] as const).map(comparing) as [
  Test,
  Test,
  Test,
  Test,
  Test,
  Test,
];

const TESTS: Readonly<Record<string, Test>> = {
  odd: test((value) => modulo(value, 2n, 1n)),
  even: test((value) => modulo(value, 2n, 0n)),
  divisibleby: test((value, by) => modulo(value, by, 0n), ['num']),
  defined: test((value) => !(value instanceof Undefined)),
  undefined: test((value) => value instanceof Undefined),
  filter: test((value) => typeof value === 'string' && FILTER_NAMES.has(value)),
  test: test((value) => typeof value === 'string' && TEST_NAMES.has(value)),
  none: test((value) => value === null),
  boolean: test((value) => typeof value === 'boolean'),
  false: test((value) => value === false),
  true: test((value) => value === true),
  integer: test((value) => typeof value === 'bigint'),
  float: test((value) => typeof value === 'number'),
  lower: test((value) => isCased(str(value), 'lower')),
  upper: test((value) => isCased(str(value), 'upper')),
  string: test((value) => typeof value === 'string' || value instanceof Markup),
  mapping: test((value) => value instanceof Dict),
  number: test((value) => numberOf(value) !== undefined),
  sequence: test(
    (value) =>
      typeof value === 'string' ||
      isList(value) ||
      [Tuple, Dict, Range, Markup, Undefined].some((type) => value instanceof type),
  ),
  iterable: test((value) =>
    value instanceof Attributed ? value.type === 'LoopContext' : iterableOf(value) !== undefined,
  ),
  callable: test(
    (value) =>
      value instanceof Callable ||
      value instanceof Undefined ||
      (value instanceof Attributed && value.call !== undefined),
  ),
  sameas: test((value, other) => isSame(value, other), ['other']),
  escaped: test((value) => value instanceof Markup),
  in: test((value, container) => compare('in', value, container), ['seq']),
  '==': EQ,
  eq: EQ,
  equalto: EQ,
  '!=': NE,
  ne: NE,
  '>': GT,
  gt: GT,
  greaterthan: GT,
  '>=': GE,
  ge: GE,
  '<': LT,
  lt: LT,
  lessthan: LT,
  '<=': LE,
  le: LE,
};

export const TEST_NAMES: ReadonlySet<string> = new Set(Object.keys(TESTS));

export function callTest(name: string, value: Value, given: Arguments): boolean {
  const found = TEST_NAMES.has(name) ? TESTS[name] : undefined;
  if (!found) throw new JinjaError(`No test named '${name}'.`);
  return found(value, given);
}
