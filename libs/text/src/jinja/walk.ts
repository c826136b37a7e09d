import type { Expression, Given, Statement, Target } from './nodes.ts';

export interface Visitor {
  /** Where it returns true, the parts of the expression are left out. */
  readonly expression?: (expression: Expression) => boolean | void;
  readonly stored?: (name: string) => void;
  /** A name whose attribute is set. */
  readonly reference?: (name: string) => void;
  readonly statement?: (statement: Statement) => void;
}

export function walkGiven({ positional, named, list, dict }: Given, visitor: Visitor): void {
  for (const value of [...positional, ...named.map(([, value]) => value), list, dict]) walkExpression(value, visitor);
}

export function walkExpression(expression: Expression | undefined, visitor: Visitor): void {
  if (!expression || visitor.expression?.(expression) === true) return;
  const walk = (part: Expression | undefined): void => walkExpression(part, visitor);
  switch (expression.kind) {
    case 'const':
    case 'name':
      return;
    case 'tuple':
    case 'list':
      return expression.items.forEach(walk);
    case 'dict':
      return expression.entries.forEach((entry) => entry.forEach(walk));
    case 'attribute':
    case 'unary':
      return walk(expression.of);
    case 'item':
      return [expression.of, expression.key].forEach(walk);
    case 'slice':
      return [expression.of, ...expression.bounds].forEach(walk);
    case 'call':
      walk(expression.callee);
      return walkGiven(expression.given, visitor);
    case 'filter':
    case 'test':
      walk(expression.of);
      return walkGiven(expression.given, visitor);
    case 'binary':
      return [expression.left, expression.right].forEach(walk);
    case 'concat':
      return expression.parts.forEach(walk);
    case 'compare':
      return [expression.first, ...expression.rest.map(({ operand }) => operand)].forEach(walk);
    case 'condition':
      return [expression.test, expression.then, expression.otherwise].forEach(walk);
  }
}

export function walkTarget(target: Target, visitor: Visitor): void {
  if (target.kind === 'name') visitor.stored?.(target.name);
  else if (target.kind === 'namespace') visitor.reference?.(target.name);
  else for (const item of target.items) walkTarget(item, visitor);
}

/** Everything in them, in the order in which Jinja looks for names. */
export function walkStatements(statements: readonly Statement[], visitor: Visitor): void {
  for (const statement of statements) walkStatement(statement, visitor);
}

function walkStatement(statement: Statement, visitor: Visitor): void {
  visitor.statement?.(statement);
  switch (statement.kind) {
    case 'text':
    case 'break':
    case 'continue':
      return;
    case 'print':
      return walkExpression(statement.value, visitor);
    case 'set':
      walkTarget(statement.target, visitor);
      return walkExpression(statement.value, visitor);
    case 'set block':
      walkTarget(statement.target, visitor);
      walkExpression(statement.filter, visitor);
      return walkStatements(statement.body, visitor);
    case 'filter block':
      walkStatements(statement.body, visitor);
      return walkExpression(statement.filter, visitor);
    case 'if':
      for (const { test, body } of statement.branches) {
        walkExpression(test, visitor);
        walkStatements(body, visitor);
      }
      return walkStatements(statement.otherwise, visitor);
    case 'for':
      walkTarget(statement.target, visitor);
      walkExpression(statement.of, visitor);
      walkStatements(statement.body, visitor);
      walkStatements(statement.otherwise, visitor);
      return walkExpression(statement.test, visitor);
    case 'with':
      for (const { target } of statement.assignments) walkTarget(target, visitor);
      for (const { value } of statement.assignments) walkExpression(value, visitor);
      return walkStatements(statement.body, visitor);
    default:
      if (statement.kind === 'call block') walkExpression(statement.call, visitor);
      for (const name of statement.parameters) visitor.stored?.(name);
      for (const value of statement.defaults) walkExpression(value, visitor);
      return walkStatements(statement.body, visitor);
  }
}

/** Those of `names` that are read somewhere in `body` before they are stored in it. */
export function undeclared(body: readonly Statement[], names: readonly string[]): ReadonlySet<string> {
  const open = new Set(names);
  const found = new Set<string>();
  walkStatements(body, {
    expression: (expression) => {
      if (expression.kind === 'name' && open.has(expression.name)) found.add(expression.name);
    },
    stored: (name) => void open.delete(name),
  });
  return found;
}
