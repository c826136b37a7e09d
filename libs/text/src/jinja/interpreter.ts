import { getAttribute, getItem } from './attributes.ts';
import { check } from './checks.ts';
import { JinjaError, NotRendered } from './faults.ts';
import { callFilter } from './filters.ts';
import { dictOf, GLOBALS, Namespace } from './globals.ts';
import { Loop } from './loop.ts';
import type { Recurse } from './loop.ts';
import type { CallNode, Expression, ForNode, GenerationNode, Given, MacroNode, Statement, Target } from './nodes.ts';
import { asInt } from './arguments.ts';
import { binary, compare, isSliced, iterate, negative, positive, sliceOf, truthy } from './operators.ts';
import { parse } from './parser.ts';
import { repr, str } from './printing.ts';
import { MISSING, namesOf, Scope } from './scopes.ts';
import type { ScopeNames, ScopeNode } from './scopes.ts';
import { callTest } from './tests.ts';
import type { Arguments, Value } from './values.ts';
import { Attributed, Callable, Dict, Once, Tuple, typeName, Undefined } from './values.ts';
import { undeclared, walkExpression, walkStatements } from './walk.ts';

type Signal = 'break' | 'continue' | undefined;

/** What a macro may read though nobody has declared it. */
const MACRO_NAMES = ['caller', 'kwargs', 'varargs'];

/**
 * A Jinja template, rendered as transformers renders chat templates: Jinja 3.1 in its immutable sandbox, with
 * `trim_blocks`, `lstrip_blocks`, loop controls, and transformers' own `tojson`, `raise_exception`, `strftime_now`,
 * `namespace`, `dict` and `generation`.
 */
export class Template {
  readonly #body: readonly Statement[];
  readonly #names = new Map<object, ScopeNames>();

  constructor(source: string) {
    this.#body = parse(source);
    check(this.#body);
  }

  /** The texts that it writes itself, and those in its expressions. */
  literals(): string[] {
    const found: string[] = [];
    walkStatements(this.#body, {
      statement: (statement) => {
        if (statement.kind === 'text') found.push(statement.text);
      },
      expression: (expression) => {
        if (expression.kind === 'const' && typeof expression.value === 'string') found.push(expression.value);
      },
    });
    return found;
  }

  render(variables: ReadonlyMap<string, Value>): string {
    return new Rendering(this.#body, variables, this.#names).text();
  }
}

class Rendering {
  readonly #body: readonly Statement[];
  readonly #variables: ReadonlyMap<string, Value>;
  /** What the template has set outside of all blocks. */
  readonly #exported = new Map<string, Value>();
  readonly #names: Map<object, ScopeNames>;

  constructor(body: readonly Statement[], variables: ReadonlyMap<string, Value>, names: Map<object, ScopeNames>) {
    this.#body = body;
    this.#variables = variables;
    this.#names = names;
  }

  text(): string {
    const out: string[] = [];
    this.#run(this.#body, this.#scope(this.#body, { part: 'template', body: this.#body }, undefined), out);
    return out.join('');
  }

  #resolve(name: string): Value | typeof MISSING {
    if (name === 'self') throw new NotRendered('self, the template itself,');
    for (const values of [this.#exported, this.#variables, GLOBALS]) {
      const value = values.get(name);
      if (value !== undefined) return value;
    }
    return MISSING;
  }

  /** `key` stands for the block: its names are found once. */
  #scope(key: object, scoped: ScopeNode, around: Scope | undefined): Scope {
    let names = this.#names.get(key);
    if (!names) this.#names.set(key, (names = namesOf(scoped, around?.names)));
    return new Scope(names, around, (name) => this.#resolve(name));
  }

  #run(statements: readonly Statement[], scope: Scope, out: string[]): Signal {
    for (const statement of statements) {
      const signal = this.#statement(statement, scope, out);
      if (signal) return signal;
    }
    return undefined;
  }

  #statement(statement: Statement, scope: Scope, out: string[]): Signal {
    switch (statement.kind) {
      case 'text':
        out.push(statement.text);
        return undefined;
      case 'print':
        out.push(str(this.#value(statement.value, scope)));
        return undefined;
      case 'set':
        this.#demandNamespaces(statement.target, scope);
        this.#assign(statement.target, this.#value(statement.value, scope), scope);
        return undefined;
      case 'break':
      case 'continue':
        return statement.kind;
      case 'if': {
        const branch = statement.branches.find(({ test }) => truthy(this.#value(test, scope)));
        return this.#run(branch ? branch.body : statement.otherwise, scope, out);
      }
      case 'for':
        return this.#for(statement, scope, out);
      case 'with': {
        const inner = this.#scope(statement, { part: 'block', node: statement }, scope);
        for (const { target, value } of statement.assignments) this.#assign(target, this.#value(value, scope), inner);
        return this.#run(statement.body, inner, out);
      }
      case 'set block':
      case 'filter block': {
        const inner = this.#scope(statement, { part: 'block', node: statement }, scope);
        const parts: string[] = [];
        const signal = this.#run(statement.body, inner, parts);
        if (signal) return signal;
        const text = parts.join('');
        const value = statement.filter ? this.#value(statement.filter, inner, text) : text;
        if (statement.kind === 'set block') this.#assign(statement.target, value, scope);
        else out.push(str(value));
        return undefined;
      }
      case 'macro':
        this.#assign({ kind: 'name', name: statement.name }, this.#macro(statement, statement.name, scope), scope);
        return undefined;
      case 'call block': {
        const { callee, given } = statement.call;
        const { positional, named } = this.#arguments(given, scope);
        const caller = this.#macro(statement, undefined, scope);
        const withCaller = { positional, named: new Map([...named, ['caller', caller] as const]) };
        out.push(str(this.#call(this.#value(callee, scope), withCaller)));
        return undefined;
      }
      case 'generation':
        out.push(str(this.#call(this.#macro(statement, undefined, scope), { positional: [], named: new Map() })));
        return undefined;
    }
  }

  #for(node: ForNode, scope: Scope, out: string[]): Signal {
    const items = this.#value(node.of, scope);
    if (!node.isRecursive) return this.#loop(node, items, scope, out, undefined, 0);
    const recurse: Recurse = (inner, depth) => {
      const parts: string[] = [];
      this.#loop(node, inner, scope, parts, recurse, depth);
      return parts.join('');
    };
    out.push(recurse(items, 0));
    return undefined;
  }

  #loop(node: ForNode, items: Value, scope: Scope, out: string[], recurse: Recurse | undefined, depth: number): Signal {
    const loop = new Loop(node.test ? new Once(this.#passing(node, items, scope)) : items, recurse, depth);
    let isOtherwise = true;
    for (let item = loop.next(); item !== undefined; item = loop.next()) {
      const inner = this.#scope(node.body, { part: 'body', node }, scope);
      this.#assign(node.target, item, inner);
      inner.write('loop', loop);
      const signal = this.#run(node.body, inner, out);
      if (signal === 'break') break;
      // Jinja takes a loop as empty until one of its rounds has come to its end.
      if (!signal) isOtherwise = false;
    }
    if (!isOtherwise || node.otherwise.length === 0) return undefined;
    return this.#run(node.otherwise, this.#scope(node.otherwise, { part: 'else', node }, scope), out);
  }

  /** The items that pass the loop's test. */
  *#passing(node: ForNode, items: Value, scope: Scope): Generator<Value> {
    const inner = this.#scope(node, { part: 'test', node }, scope);
    for (const item of iterate(items)) {
      this.#assign(node.target, item, inner);
      if (node.test && truthy(this.#value(node.test, inner))) yield this.#targetValue(node.target, inner);
    }
  }

  #targetValue(target: Target, scope: Scope): Value {
    if (target.kind === 'targets') return new Tuple(target.items.map((item) => this.#targetValue(item, scope)));
    return this.#name(target.name, scope);
  }

  #macro(node: MacroNode | CallNode | GenerationNode, name: string | undefined, scope: Scope): Callable {
    const { parameters, defaults, body } = node;
    const read = undeclared(body, MACRO_NAMES);
    const callerAt = parameters.indexOf('caller');
    if (read.has('caller') && callerAt >= 0 && callerAt < parameters.length - defaults.length) {
      throw new JinjaError('the special "caller" argument must be omitted or be given a default');
    }
    const extra = MACRO_NAMES.filter((special) => read.has(special) && !parameters.includes(special));
    const call = ({ positional, named }: Arguments): Value => {
      const inner = this.#scope(node, { part: 'macro', node, extra }, scope);
      const rest = new Map(named);
      const take = (special: string): Value | typeof MISSING => {
        const value = rest.get(special);
        rest.delete(special);
        return value === undefined ? MISSING : value;
      };
      parameters.forEach((parameter, index) => {
        inner.write(parameter, index < positional.length ? (positional[index] as Value) : take(parameter));
      });
      if (extra.includes('caller')) {
        const caller = take('caller');
        inner.write('caller', caller === MISSING || caller === null ? new Undefined('No caller defined') : caller);
      }
      const takesNamed = read.has('kwargs') && !parameters.includes('kwargs');
      if (takesNamed) inner.write('kwargs', new Dict(rest));
      else if (rest.size > 0)
        throw new JinjaError(`macro '${name ?? ''}' takes no keyword argument '${[...rest.keys()][0] ?? ''}'`);
      const takesMore = read.has('varargs') && !parameters.includes('varargs');
      if (takesMore) inner.write('varargs', new Tuple(positional.slice(parameters.length)));
      else if (positional.length > parameters.length) {
        throw new JinjaError(`macro '${name ?? ''}' takes not more than ${parameters.length} argument(s)`);
      }
      parameters.forEach((parameter, index) => {
        if (inner.read(parameter) !== MISSING) return;
        const fallback = defaults[index - parameters.length + defaults.length];
        const missing = new Undefined(`parameter '${parameter}' was not provided`);
        inner.write(parameter, fallback ? this.#value(fallback, inner) : missing);
      });
      const out: string[] = [];
      this.#run(body, inner, out);
      return out.join('');
    };
    const attributes = new Map<string, Value>([
      ['name', name ?? null],
      ['arguments', new Tuple(parameters)],
      ['catch_kwargs', extra.includes('kwargs')],
      ['catch_varargs', extra.includes('varargs')],
      ['caller', read.has('caller')],
    ]);
    return new Callable(call, name === undefined ? '<Macro anonymous>' : `<Macro ${repr(name)}>`, attributes);
  }

  #demandNamespaces(target: Target, scope: Scope): void {
    if (target.kind === 'targets') target.items.forEach((item) => this.#demandNamespaces(item, scope));
    else if (target.kind === 'namespace' && !(this.#name(target.name, scope) instanceof Namespace)) {
      throw new JinjaError('cannot assign attribute on non-namespace object');
    }
  }

  #assign(target: Target, value: Value, scope: Scope): void {
    if (target.kind === 'name') {
      scope.write(target.name, value);
      if (!scope.around) this.#exported.set(target.name, value);
    } else if (target.kind === 'namespace') {
      const namespace = this.#name(target.name, scope);
      if (namespace instanceof Namespace) namespace.set(target.attribute, value);
    } else {
      const items = [...iterate(value)];
      if (items.length !== target.items.length) {
        throw new JinjaError(`${target.items.length} values are expected to unpack, not ${items.length}`);
      }
      target.items.forEach((item, index) => this.#assign(item, items[index] as Value, scope));
    }
  }

  #name(name: string, scope: Scope): Value {
    const value = scope.read(name);
    if (value === undefined) throw new JinjaError(`'${name}' is not known where it stands`);
    return value === MISSING ? Undefined.named(name) : value;
  }

  /** `block` is the text that a filter without an operand of its own works on. */
  #value(expression: Expression, scope: Scope, block?: string): Value {
    switch (expression.kind) {
      case 'const':
        return expression.value;
      case 'name':
        return this.#name(expression.name, scope);
      case 'tuple':
        return new Tuple(expression.items.map((item) => this.#value(item, scope)));
      case 'list':
        return expression.items.map((item) => this.#value(item, scope));
      case 'dict':
        return new Dict(expression.entries.map(([key, value]) => [this.#value(key, scope), this.#value(value, scope)]));
      case 'attribute':
        return getAttribute(this.#value(expression.of, scope), expression.name);
      case 'item':
        return getItem(this.#value(expression.of, scope), this.#value(expression.key, scope));
      case 'slice':
        return this.#slice(expression, scope);
      case 'call':
        return this.#call(this.#value(expression.callee, scope), this.#arguments(expression.given, scope));
      case 'filter': {
        const of = expression.of ? this.#value(expression.of, scope, block) : (block ?? '');
        return callFilter(expression.name, of, this.#arguments(expression.given, scope));
      }
      case 'test':
        return callTest(expression.name, this.#value(expression.of, scope), this.#arguments(expression.given, scope));
      case 'unary': {
        const value = this.#value(expression.of, scope);
        if (expression.operator === 'not') return !truthy(value);
        return expression.operator === '-' ? negative(value) : positive(value);
      }
      case 'binary': {
        const { operator, right } = expression;
        const left = this.#value(expression.left, scope);
        if (operator === 'and') return truthy(left) ? this.#value(right, scope) : left;
        if (operator === 'or') return truthy(left) ? left : this.#value(right, scope);
        return binary(operator, left, this.#value(right, scope));
      }
      case 'concat':
        return expression.parts.map((part) => str(this.#value(part, scope))).join('');
      case 'compare': {
        let left = this.#value(expression.first, scope);
        return expression.rest.every(({ operator, operand }) => {
          const right = this.#value(operand, scope);
          const holds = compare(operator, left, right);
          left = right;
          return holds;
        });
      }
      case 'condition':
        if (truthy(this.#value(expression.test, scope))) return this.#value(expression.then, scope);
        if (expression.otherwise) return this.#value(expression.otherwise, scope);
        return new Undefined('the inline if-expression evaluated to false and no else section was defined.');
    }
  }

  #slice(expression: Expression & { readonly kind: 'slice' }, scope: Scope): Value {
    const of = this.#value(expression.of, scope);
    if (!isSliced(of) && isConstant(expression))
      throw new NotRendered(`a slice of a constant ${typeName(of)}, undefined,`);
    const [start, stop, step] = expression.bounds.map((bound) => {
      const value = bound && this.#value(bound, scope);
      return value === undefined || value === null ? undefined : Number(asInt(value, 'slice indices must be integers'));
    });
    if (step === 0) throw new JinjaError('slice step cannot be zero');
    return sliceOf(of, { start, stop, step: step ?? 1 });
  }

  #arguments({ positional, named, list, dict }: Given, scope: Scope): Arguments {
    const values = positional.map((value) => this.#value(value, scope));
    if (list) values.push(...iterate(this.#value(list, scope)));
    const names = new Map(named.map(([name, value]) => [name, this.#value(value, scope)] as const));
    if (dict) {
      const more = this.#value(dict, scope);
      if (!(more instanceof Dict)) throw new JinjaError(`argument after ** must be a mapping, not ${typeName(more)}`);
      for (const [name, value] of dictOf({ positional: [more], named: new Map() }).entries()) {
        if (typeof name !== 'string') throw new JinjaError('keywords must be strings');
        if (names.has(name)) throw new JinjaError(`got multiple values for keyword argument '${name}'`);
        names.set(name, value);
      }
    }
    return { positional: values, named: names };
  }

  #call(callee: Value, given: Arguments): Value {
    if (callee instanceof Callable || (callee instanceof Attributed && callee.call))
      return callee.call?.(given) ?? null;
    if (callee instanceof Undefined) callee.fail();
    throw new JinjaError(`'${typeName(callee)}' object is not callable`);
  }
}

/** Jinja works out beforehand what names nothing, and takes errors on the way otherwise there. */
function isConstant(expression: Expression): boolean {
  let isSo = true;
  walkExpression(expression, {
    expression: ({ kind }) => {
      if (kind === 'name' || kind === 'call') isSo = false;
    },
  });
  return isSo;
}
