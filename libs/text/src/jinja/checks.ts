import { JinjaError } from './faults.ts';
import { FILTER_NAMES } from './filters.ts';
import type { Expression, Statement } from './nodes.ts';
import { TEST_NAMES } from './tests.ts';
import { walkExpression, walkStatements } from './walk.ts';

/** What makes Jinja refuse a template before it renders anything. */
export function check(statements: readonly Statement[]): void {
  checkStatements(statements, false, false);
  walkStatements(statements, {
    statement: (loop) => {
      if (loop.kind !== 'for') return;
      walkStatements([loop], {
        stored: (name) => {
          if (name === 'loop') throw new JinjaError("Can't assign to special loop variable in for-loop target");
        },
      });
    },
  });
}

/** Unknown filters and tests are found out when they are used, in a condition; elsewhere at once. */
function checkStatements(statements: readonly Statement[], isConditional: boolean, isInLoop: boolean): void {
  for (const statement of statements) {
    const expressions = (...parts: readonly (Expression | undefined)[]): void => {
      if (!isConditional) parts.forEach(checkNames);
    };
    const inner = (body: readonly Statement[], isLoop = isInLoop): void => checkStatements(body, false, isLoop);
    switch (statement.kind) {
      case 'text':
        break;
      case 'break':
      case 'continue':
        if (!isInLoop) throw new JinjaError(`'${statement.kind}' outside loop`);
        break;
      case 'print':
      case 'set':
        expressions(statement.value);
        break;
      case 'if':
        for (const { body } of statement.branches) checkStatements(body, true, isInLoop);
        checkStatements(statement.otherwise, true, isInLoop);
        break;
      case 'for':
        expressions(statement.of);
        checkNames(statement.test);
        inner(statement.body, true);
        inner(statement.otherwise, isInLoop && !statement.isRecursive);
        break;
      case 'set block':
      case 'filter block':
        checkNames(statement.filter);
        inner(statement.body);
        break;
      case 'with':
        expressions(...statement.assignments.map(({ value }) => value));
        inner(statement.body);
        break;
      default:
        if (statement.kind === 'call block') expressions(statement.call);
        statement.defaults.forEach(checkNames);
        inner(statement.body, false);
    }
  }
}

function checkNames(expression: Expression | undefined): void {
  walkExpression(expression, {
    expression: (part) => {
      if (part.kind === 'condition') return true;
      const known = part.kind === 'filter' ? FILTER_NAMES : part.kind === 'test' ? TEST_NAMES : undefined;
      if (known && 'name' in part && !known.has(part.name))
        throw new JinjaError(`No ${part.kind} named '${part.name}'`);
      return false;
    },
  });
}
