import type {
  CallNode,
  Expression,
  FilterBlockNode,
  ForNode,
  GenerationNode,
  IfNode,
  MacroNode,
  SetBlockNode,
  Statement,
  Target,
  WithNode,
} from './nodes.ts';
import { walkExpression, walkTarget } from './walk.ts';
import type { Value } from './values.ts';

/** Not set yet: it reads as undefined. */
export const MISSING = Symbol('missing');

/**
 * How a name of a scope begins: given from outside it, found among the template's variables, the same as around it, or
 * missing until it is set.
 */
type Origin = 'parameter' | 'resolved' | 'around' | 'missing';

/**
 * The names of a scope, as Jinja's compiler finds them before anything is rendered: whether a name is read or set first
 * in the source, and not what is rendered first, says what it is before it is set.
 */
export class ScopeNames {
  readonly #around: ScopeNames | undefined;
  #origins = new Map<string, Origin>();
  #stored = new Set<string>();

  constructor(around: ScopeNames | undefined) {
    this.#around = around;
  }

  get origins(): ReadonlyMap<string, Origin> {
    return this.#origins;
  }

  knows(name: string): boolean {
    return this.#origins.has(name) || this.#around?.knows(name) === true;
  }

  parameter(name: string): void {
    this.#stored.add(name);
    this.#origins.set(name, 'parameter');
  }

  parameters(target: Target): void {
    walkTarget(target, { stored: (name) => this.parameter(name), reference: (name) => this.load(name) });
  }

  load(name: string): void {
    if (!this.knows(name)) this.#origins.set(name, 'resolved');
  }

  store(name: string): void {
    this.#stored.add(name);
    if (!this.#origins.has(name)) this.#origins.set(name, this.#around?.knows(name) ? 'around' : 'missing');
  }

  #copy(): ScopeNames {
    const copy = new ScopeNames(this.#around);
    copy.#origins = new Map(this.#origins);
    copy.#stored = new Set(this.#stored);
    return copy;
  }

  /** What one of the branches sets keeps its value in the others. */
  #join(branches: readonly ScopeNames[]): void {
    const stored = new Set(branches.flatMap((branch) => [...branch.#stored]).filter((name) => !this.#stored.has(name)));
    for (const branch of branches) {
      for (const [name, origin] of branch.#origins) this.#origins.set(name, origin);
      for (const name of branch.#stored) this.#stored.add(name);
    }
    for (const name of stored) this.#origins.set(name, this.#around?.knows(name) ? 'around' : 'resolved');
  }

  expression(expression: Expression | undefined): void {
    walkExpression(expression, {
      expression: (part) => {
        if (part.kind === 'name') this.load(part.name);
      },
    });
  }

  statements(statements: readonly Statement[]): this {
    for (const statement of statements) this.#statement(statement);
    return this;
  }

  #statement(statement: Statement): void {
    switch (statement.kind) {
      case 'print':
        return this.expression(statement.value);
      case 'set':
        this.expression(statement.value);
        return this.#target(statement.target);
      case 'set block':
        return this.#target(statement.target);
      case 'filter block':
        return this.expression(statement.filter);
      case 'for':
        return this.expression(statement.of);
      case 'with':
        return statement.assignments.forEach(({ value }) => this.expression(value));
      case 'macro':
        return this.store(statement.name);
      case 'call block':
        return this.expression(statement.call);
      case 'if':
        return this.#if(statement);
      case 'text':
      case 'break':
      case 'continue':
      case 'generation':
        return;
    }
  }

  #target(target: Target): void {
    walkTarget(target, { stored: (name) => this.store(name), reference: (name) => this.load(name) });
  }

  #if({ branches: [first, ...others], otherwise }: IfNode): void {
    this.expression(first?.test);
    const [body, elifs, last] = [this.#copy(), this.#copy(), this.#copy()];
    body.statements(first?.body ?? []);
    for (const branch of others) elifs.#if({ kind: 'if', branches: [branch], otherwise: [] });
    last.statements(otherwise);
    this.#join([body, elifs, last]);
  }
}

export type ScopeNode =
  | { readonly part: 'template'; readonly body: readonly Statement[] }
  | { readonly part: 'body' | 'else' | 'test'; readonly node: ForNode }
  | { readonly part: 'macro'; readonly node: MacroNode | CallNode | GenerationNode; readonly extra: readonly string[] }
  | { readonly part: 'block'; readonly node: WithNode | SetBlockNode | FilterBlockNode };

export function namesOf(scoped: ScopeNode, around: ScopeNames | undefined): ScopeNames {
  const names = new ScopeNames(around);
  switch (scoped.part) {
    case 'template':
      return names.statements(scoped.body);
    case 'body':
      names.parameter('loop');
      names.parameters(scoped.node.target);
      return names.statements(scoped.node.body);
    case 'else':
      return names.statements(scoped.node.otherwise);
    case 'test':
      names.parameters(scoped.node.target);
      names.expression(scoped.node.test);
      return names;
    case 'macro':
      for (const name of [...scoped.node.parameters, ...scoped.extra]) names.parameter(name);
      for (const value of scoped.node.defaults) names.expression(value);
      return names.statements(scoped.node.body);
    case 'block':
      if (scoped.node.kind === 'with') for (const { target } of scoped.node.assignments) names.parameters(target);
      names.statements(scoped.node.body);
      if (scoped.node.kind === 'filter block') names.expression(scoped.node.filter);
      return names;
  }
}

export class Scope {
  readonly names: ScopeNames;
  readonly around: Scope | undefined;
  readonly #values = new Map<string, Value | typeof MISSING>();

  constructor(names: ScopeNames, around: Scope | undefined, resolve: (name: string) => Value | typeof MISSING) {
    this.names = names;
    this.around = around;
    for (const [name, origin] of names.origins) {
      if (origin === 'resolved') this.#values.set(name, resolve(name));
      else if (origin === 'around') this.#values.set(name, around?.read(name) as Value | typeof MISSING);
      else this.#values.set(name, MISSING);
    }
  }

  /** `undefined` for a name that no scope around has. */
  read(name: string): Value | typeof MISSING | undefined {
    const value = this.#values.get(name);
    return value === undefined ? this.around?.read(name) : value;
  }

  write(name: string, value: Value | typeof MISSING): void {
    this.#values.set(name, value);
  }
}
