import { JinjaError, NotRendered } from './faults.ts';
import { tokens } from './lexer.ts';
import type { Token, TokenKind } from './lexer.ts';
import type { ComparisonOperator, Expression, Given, Signature, Statement, Target } from './nodes.ts';

/** Jinja's tags that are not rendered here: they concern several templates, or HTML. */
const OTHER_TAGS = new Set(['block', 'extends', 'include', 'import', 'from', 'autoescape']);
const COMPARISONS = new Set(['==', '!=', '<', '<=', '>', '>=']);
/** What can begin the one argument of a test without parentheses. */
const ARGUMENT_KINDS = new Set<TokenKind>(['name', 'string', 'int', 'float']);
const CONSTANTS: ReadonlyMap<string, boolean | null> = new Map([
  ['true', true],
  ['True', true],
  ['false', false],
  ['False', false],
  ['none', null],
  ['None', null],
]);

export function parse(template: string): readonly Statement[] {
  return new Parser(tokens(template)).template();
}

/** Jinja's grammar, by recursive descent: one method for each rank of operators. */
class Parser {
  readonly #tokens: readonly Token[];
  #at = 0;

  constructor(found: readonly Token[]) {
    this.#tokens = found;
  }

  template(): readonly Statement[] {
    return this.#statements([]);
  }

  get #token(): Token {
    return this.#tokens[this.#at] as Token;
  }

  get #following(): Token {
    return this.#tokens[Math.min(this.#at + 1, this.#tokens.length - 1)] as Token;
  }

  #next(): Token {
    const token = this.#token;
    if (token.kind !== 'end') this.#at += 1;
    return token;
  }

  #fail(reason: string): never {
    throw new JinjaError(`${reason}, in line ${this.#token.line}`);
  }

  #is(kind: 'operator' | 'name', text: string): boolean {
    return this.#token.kind === kind && this.#token.text === text;
  }

  #skip(kind: 'operator' | 'name', text: string): boolean {
    const found = this.#is(kind, text);
    if (found) this.#next();
    return found;
  }

  #expect(kind: TokenKind, text?: string): Token {
    if (this.#token.kind !== kind || (text !== undefined && this.#token.text !== text)) {
      this.#fail(`expected ${text ?? kind}, got '${this.#token.text.slice(0, 40)}'`);
    }
    return this.#next();
  }

  /** To one of the tags that end a block; its name is then the current token. */
  #statements(ends: readonly string[]): Statement[] {
    const body: Statement[] = [];
    for (;;) {
      const token = this.#token;
      switch (token.kind) {
        case 'data':
          this.#next();
          body.push({ kind: 'text', text: token.text });
          break;
        case 'variable begin':
          this.#next();
          body.push({ kind: 'print', value: this.#tuple() });
          this.#expect('variable end');
          break;
        case 'block begin':
          this.#next();
          if (this.#token.kind === 'name' && ends.includes(this.#token.text)) return body;
          body.push(...this.#statement());
          this.#expect('block end');
          break;
        default:
          if (token.kind !== 'end') this.#fail(`unexpected '${token.text}'`);
          if (ends.length > 0) this.#fail(`unexpected end of template, ${ends.join(' or ')} is missing`);
          return body;
      }
    }
  }

  #body(...ends: string[]): Statement[] {
    this.#skip('operator', ':');
    this.#expect('block end');
    return this.#statements(ends);
  }

  #wholeBody(end: string): Statement[] {
    const body = this.#body(end);
    this.#next();
    return body;
  }

  #statement(): Statement[] {
    const tag = this.#expect('name').text;
    switch (tag) {
      case 'for':
        return [this.#for()];
      case 'if':
        return [this.#if()];
      case 'set':
        return [this.#set()];
      case 'macro': {
        const { text: name } = this.#expect('name');
        return [{ kind: 'macro', name, ...this.#signature(), body: this.#wholeBody('endmacro') }];
      }
      case 'call':
        return [this.#callBlock()];
      case 'filter': {
        const filter = this.#filters(undefined, true) as Expression;
        return [{ kind: 'filter block', filter, body: this.#wholeBody('endfilter') }];
      }
      case 'with':
        return [this.#with()];
      case 'generation':
        return [{ kind: 'generation', parameters: [], defaults: [], body: this.#wholeBody('endgeneration') }];
      case 'print':
        return this.#print();
      case 'break':
      case 'continue':
        return [{ kind: tag }];
      default:
        if (OTHER_TAGS.has(tag)) throw new NotRendered(`the tag ${tag}`);
        return this.#fail(`unknown tag '${tag}'`);
    }
  }

  #for(): Statement {
    const target = this.#target({ end: 'in' });
    this.#expect('name', 'in');
    const of = this.#tuple({ withCondition: false, end: 'recursive' });
    const test = this.#skip('name', 'if') ? this.#expression() : undefined;
    const isRecursive = this.#skip('name', 'recursive');
    const body = this.#body('endfor', 'else');
    const otherwise = this.#next().text === 'else' ? this.#wholeBody('endfor') : [];
    return { kind: 'for', target, of, test, isRecursive, body, otherwise };
  }

  #if(): Statement {
    const branches = [];
    for (;;) {
      const test = this.#tuple({ withCondition: false });
      branches.push({ test, body: this.#body('elif', 'else', 'endif') });
      const end = this.#next().text;
      if (end === 'elif') continue;
      return { kind: 'if', branches, otherwise: end === 'else' ? this.#wholeBody('endif') : [] };
    }
  }

  #set(): Statement {
    const target = this.#target({ withNamespace: true });
    if (this.#skip('operator', '=')) return { kind: 'set', target, value: this.#tuple() };
    const filter = this.#filters(undefined, false);
    return { kind: 'set block', target, filter, body: this.#wholeBody('endset') };
  }

  #callBlock(): Statement {
    const signature = this.#is('operator', '(') ? this.#signature() : { parameters: [], defaults: [] };
    const call = this.#expression();
    if (call.kind !== 'call') return this.#fail('expected call');
    return { kind: 'call block', call, ...signature, body: this.#wholeBody('endcall') };
  }

  #with(): Statement {
    const assignments = [];
    while (this.#token.kind !== 'block end') {
      if (assignments.length > 0) this.#expect('operator', ',');
      const target = this.#target({});
      this.#expect('operator', '=');
      assignments.push({ target, value: this.#expression() });
    }
    return { kind: 'with', assignments, body: this.#wholeBody('endwith') };
  }

  #print(): Statement[] {
    const printed: Statement[] = [];
    while (this.#token.kind !== 'block end') {
      if (printed.length > 0) this.#expect('operator', ',');
      printed.push({ kind: 'print', value: this.#expression() });
    }
    return printed;
  }

  #signature(): Signature {
    const parameters: string[] = [];
    const defaults: Expression[] = [];
    this.#expect('operator', '(');
    while (!this.#is('operator', ')')) {
      if (parameters.length > 0) this.#expect('operator', ',');
      const { text: name } = this.#expect('name');
      if (CONSTANTS.has(name)) this.#fail(`can't assign to '${name}'`);
      if (parameters.includes(name)) this.#fail(`duplicate argument '${name}'`);
      if (this.#skip('operator', '=')) defaults.push(this.#expression());
      else if (defaults.length > 0) this.#fail('non-default argument follows default argument');
      parameters.push(name);
    }
    this.#next();
    return { parameters, defaults };
  }

  #target({ end, withNamespace = false }: { readonly end?: string; readonly withNamespace?: boolean }): Target {
    const primary = (): Expression => {
      const { kind, text } = this.#token;
      const isReference = withNamespace && kind === 'name' && !CONSTANTS.has(text) && this.#following.text === '.';
      if (!isReference) return this.#primary();
      const of: Expression = { kind: 'name', name: this.#next().text };
      this.#next();
      return { kind: 'attribute', of, name: this.#expect('name').text };
    };
    const assignable = (expression: Expression): Target => {
      if (expression.kind === 'name') return expression;
      if (expression.kind === 'tuple') return { kind: 'targets', items: expression.items.map(assignable) };
      if (expression.kind === 'attribute' && expression.of.kind === 'name') {
        return { kind: 'namespace', name: expression.of.name, attribute: expression.name };
      }
      return this.#fail(`can't assign to '${expression.kind}'`);
    };
    return assignable(this.#tuple({ item: primary, ...(end === undefined ? {} : { end }) }));
  }

  #tuple({
    withCondition = true,
    end,
    isEnclosed = false,
    item = () => this.#expression(withCondition),
  }: {
    readonly withCondition?: boolean;
    readonly end?: string;
    readonly isEnclosed?: boolean;
    readonly item?: () => Expression;
  } = {}): Expression {
    const items: Expression[] = [];
    let isTuple = false;
    for (;;) {
      if (items.length > 0) this.#expect('operator', ',');
      const { kind } = this.#token;
      const isOver = kind === 'variable end' || kind === 'block end' || this.#is('operator', ')');
      if (isOver || (end !== undefined && this.#is('name', end))) break;
      items.push(item());
      if (!this.#is('operator', ',')) break;
      isTuple = true;
    }
    if (isTuple) return { kind: 'tuple', items };
    const [only] = items;
    if (only) return only;
    return isEnclosed ? { kind: 'tuple', items } : this.#fail(`Expected an expression, got '${this.#token.text}'`);
  }

  #expression(withCondition = true): Expression {
    let expression = this.#or();
    while (withCondition && this.#skip('name', 'if')) {
      const test = this.#or();
      const otherwise = this.#skip('name', 'else') ? this.#expression() : undefined;
      expression = { kind: 'condition', test, then: expression, otherwise };
    }
    return expression;
  }

  #or(): Expression {
    let left = this.#and();
    while (this.#skip('name', 'or')) left = { kind: 'binary', operator: 'or', left, right: this.#and() };
    return left;
  }

  #and(): Expression {
    let left = this.#not();
    while (this.#skip('name', 'and')) left = { kind: 'binary', operator: 'and', left, right: this.#not() };
    return left;
  }

  #not(): Expression {
    return this.#skip('name', 'not') ? { kind: 'unary', operator: 'not', of: this.#not() } : this.#comparison();
  }

  #comparison(): Expression {
    const first = this.#sum();
    const rest = [];
    for (;;) {
      let operator: ComparisonOperator;
      if (this.#token.kind === 'operator' && COMPARISONS.has(this.#token.text)) {
        operator = this.#next().text as ComparisonOperator;
      } else if (this.#skip('name', 'in')) operator = 'in';
      else if (this.#is('name', 'not') && this.#following.kind === 'name' && this.#following.text === 'in') {
        this.#next();
        this.#next();
        operator = 'not in';
      } else break;
      rest.push({ operator, operand: this.#sum() });
    }
    return rest.length === 0 ? first : { kind: 'compare', first, rest };
  }

  #sum(): Expression {
    let left = this.#concat();
    while (this.#is('operator', '+') || this.#is('operator', '-')) {
      const operator = this.#next().text as '+' | '-';
      left = { kind: 'binary', operator, left, right: this.#concat() };
    }
    return left;
  }

  #concat(): Expression {
    const first = this.#product();
    const parts = [first];
    while (this.#skip('operator', '~')) parts.push(this.#product());
    return parts.length === 1 ? first : { kind: 'concat', parts };
  }

  #product(): Expression {
    let left = this.#power();
    while (this.#token.kind === 'operator' && ['*', '/', '//', '%'].includes(this.#token.text)) {
      const operator = this.#next().text as '*' | '/' | '//' | '%';
      left = { kind: 'binary', operator, left, right: this.#power() };
    }
    return left;
  }

  /** To the left, other than Python's. */
  #power(): Expression {
    let left = this.#unary();
    while (this.#skip('operator', '**')) left = { kind: 'binary', operator: '**', left, right: this.#unary() };
    return left;
  }

  #unary(withFilter = true): Expression {
    const { kind, text } = this.#token;
    let expression: Expression;
    if (kind === 'operator' && (text === '-' || text === '+')) {
      this.#next();
      expression = { kind: 'unary', operator: text, of: this.#unary(false) };
    } else expression = this.#primary();
    expression = this.#postfix(expression);
    return withFilter ? this.#filtersAndTests(expression) : expression;
  }

  #primary(): Expression {
    const token = this.#token;
    switch (token.kind) {
      case 'name': {
        this.#next();
        const constant = CONSTANTS.get(token.text);
        return constant === undefined ? { kind: 'name', name: token.text } : { kind: 'const', value: constant };
      }
      case 'string': {
        let text = '';
        while (this.#token.kind === 'string') text += String(this.#next().value);
        return { kind: 'const', value: text };
      }
      case 'int':
      case 'float':
        this.#next();
        return { kind: 'const', value: token.value ?? null };
      default:
        return this.#enclosed();
    }
  }

  #enclosed(): Expression {
    if (this.#skip('operator', '(')) {
      const tuple = this.#tuple({ isEnclosed: true });
      this.#expect('operator', ')');
      return tuple;
    }
    if (this.#skip('operator', '[')) {
      return { kind: 'list', items: this.#items(']', () => this.#expression()) };
    }
    if (this.#skip('operator', '{')) {
      const entries = this.#items('}', () => {
        const key = this.#expression();
        this.#expect('operator', ':');
        return [key, this.#expression()] as const;
      });
      return { kind: 'dict', entries };
    }
    return this.#fail(`unexpected '${this.#token.text.slice(0, 40)}'`);
  }

  /** With a comma behind the last one or without, and the closing bracket. */
  #items<T>(close: string, item: () => T): T[] {
    const items: T[] = [];
    while (!this.#is('operator', close)) {
      if (items.length > 0) this.#expect('operator', ',');
      if (this.#is('operator', close)) break;
      items.push(item());
    }
    this.#next();
    return items;
  }

  #postfix(of: Expression): Expression {
    let expression = of;
    for (;;) {
      if (this.#skip('operator', '.')) expression = this.#dotted(expression);
      else if (this.#skip('operator', '[')) expression = this.#subscript(expression);
      else if (this.#is('operator', '(')) expression = { kind: 'call', callee: expression, given: this.#given() };
      else return expression;
    }
  }

  #filtersAndTests(of: Expression): Expression {
    let expression = of;
    for (;;) {
      if (this.#is('operator', '|')) expression = this.#filters(expression, false) as Expression;
      else if (this.#skip('name', 'is')) expression = this.#test(expression);
      else if (this.#is('operator', '(')) expression = { kind: 'call', callee: expression, given: this.#given() };
      else return expression;
    }
  }

  #dotted(of: Expression): Expression {
    const token = this.#next();
    if (token.kind === 'name') return { kind: 'attribute', of, name: token.text };
    if (token.kind !== 'int') return this.#fail('expected name or number');
    return { kind: 'item', of, key: { kind: 'const', value: token.value ?? null } };
  }

  #subscript(of: Expression): Expression {
    const keys: Expression[] = [];
    let slice: Expression | undefined;
    let count = 0;
    while (!this.#is('operator', ']')) {
      if (count > 0) this.#expect('operator', ',');
      count += 1;
      const start = this.#is('operator', ':') ? undefined : this.#expression();
      if (start && !this.#is('operator', ':')) keys.push(start);
      else slice = { kind: 'slice', of, bounds: [start, ...this.#bounds()] };
    }
    this.#next();
    if (slice && count > 1) throw new NotRendered('a slice among several subscripts');
    if (slice) return slice;
    const [key] = keys;
    return { kind: 'item', of, key: key && count === 1 ? key : { kind: 'tuple', items: keys } };
  }

  /** Behind the start of a slice: its end and its step. */
  #bounds(): (Expression | undefined)[] {
    const isOver = (): boolean => this.#is('operator', ']') || this.#is('operator', ',');
    this.#next();
    const stop = this.#is('operator', ':') || isOver() ? undefined : this.#expression();
    const hasStep = this.#skip('operator', ':');
    return [stop, !hasStep || isOver() ? undefined : this.#expression()];
  }

  #given(): Given {
    const positional: Expression[] = [];
    const named: (readonly [string, Expression])[] = [];
    let list: Expression | undefined;
    let dict: Expression | undefined;
    const demand = (isRight: boolean): void => {
      if (!isRight) this.#fail('invalid syntax for function call expression');
    };
    this.#expect('operator', '(');
    let isFirst = true;
    while (!this.#is('operator', ')')) {
      if (!isFirst) {
        this.#expect('operator', ',');
        if (this.#is('operator', ')')) break;
      }
      isFirst = false;
      if (this.#skip('operator', '*')) {
        demand(!list && !dict);
        list = this.#expression();
      } else if (this.#skip('operator', '**')) {
        demand(!dict);
        dict = this.#expression();
      } else if (this.#token.kind === 'name' && this.#following.kind === 'operator' && this.#following.text === '=') {
        demand(!dict);
        const name = this.#next().text;
        this.#next();
        if (named.some(([other]) => other === name)) this.#fail(`keyword argument repeated: ${name}`);
        named.push([name, this.#expression()]);
      } else {
        demand(!list && !dict && named.length === 0);
        positional.push(this.#expression());
      }
    }
    this.#next();
    return { positional, named, list, dict };
  }

  #dottedName(): string {
    let name = this.#expect('name').text;
    while (this.#skip('operator', '.')) name += `.${this.#expect('name').text}`;
    return name;
  }

  #filters(of: Expression | undefined, startsInside: boolean): Expression | undefined {
    let expression = of;
    let isInside = startsInside;
    while (isInside || this.#skip('operator', '|')) {
      isInside = false;
      const name = this.#dottedName();
      expression = { kind: 'filter', of: expression, name, given: this.#is('operator', '(') ? this.#given() : NOTHING };
    }
    return expression;
  }

  #test(of: Expression): Expression {
    const isNegated = this.#skip('name', 'not');
    const name = this.#dottedName();
    let given: Given = NOTHING;
    const { kind, text } = this.#token;
    if (this.#is('operator', '(')) given = this.#given();
    else if (ARGUMENT_KINDS.has(kind) || (kind === 'operator' && (text === '[' || text === '{'))) {
      if (kind !== 'name' || !['else', 'or', 'and'].includes(text)) {
        if (this.#is('name', 'is')) this.#fail('You cannot chain multiple tests with is');
        given = { ...NOTHING, positional: [this.#postfix(this.#primary())] };
      }
    }
    const test: Expression = { kind: 'test', of, name, given };
    return isNegated ? { kind: 'unary', operator: 'not', of: test } : test;
  }
}

const NOTHING: Given = { positional: [], named: [], list: undefined, dict: undefined };
