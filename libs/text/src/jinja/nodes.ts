export type Expression =
  | { readonly kind: 'const'; readonly value: null | boolean | bigint | number | string }
  | { readonly kind: 'name'; readonly name: string }
  | { readonly kind: 'tuple' | 'list'; readonly items: readonly Expression[] }
  | { readonly kind: 'dict'; readonly entries: readonly (readonly [Expression, Expression])[] }
  | { readonly kind: 'attribute'; readonly of: Expression; readonly name: string }
  | { readonly kind: 'item'; readonly of: Expression; readonly key: Expression }
  | { readonly kind: 'slice'; readonly of: Expression; readonly bounds: readonly (Expression | undefined)[] }
  | { readonly kind: 'call'; readonly callee: Expression; readonly given: Given }
  /** Of a block, it has no operand of its own. */
  | { readonly kind: 'filter'; readonly of: Expression | undefined; readonly name: string; readonly given: Given }
  | { readonly kind: 'test'; readonly of: Expression; readonly name: string; readonly given: Given }
  | { readonly kind: 'unary'; readonly operator: 'not' | '+' | '-'; readonly of: Expression }
  | {
      readonly kind: 'binary';
      readonly operator: '+' | '-' | '*' | '/' | '//' | '%' | '**' | 'and' | 'or';
      readonly left: Expression;
      readonly right: Expression;
    }
  | { readonly kind: 'concat'; readonly parts: readonly Expression[] }
  | {
      readonly kind: 'compare';
      readonly first: Expression;
      readonly rest: readonly { readonly operator: ComparisonOperator; readonly operand: Expression }[];
    }
  | {
      readonly kind: 'condition';
      readonly test: Expression;
      readonly then: Expression;
      readonly otherwise: Expression | undefined;
    };

export type ComparisonOperator = '==' | '!=' | '<' | '<=' | '>' | '>=' | 'in' | 'not in';

/** What a call gives: values by place and by name, then those of a list and of a dict. */
export interface Given {
  readonly positional: readonly Expression[];
  readonly named: readonly (readonly [string, Expression])[];
  readonly list: Expression | undefined;
  readonly dict: Expression | undefined;
}

export type Target =
  | { readonly kind: 'name'; readonly name: string }
  | { readonly kind: 'namespace'; readonly name: string; readonly attribute: string }
  | { readonly kind: 'targets'; readonly items: readonly Target[] };

export interface Signature {
  readonly parameters: readonly string[];
  /** Of the last parameters. */
  readonly defaults: readonly Expression[];
}

export interface ForNode {
  readonly kind: 'for';
  readonly target: Target;
  readonly of: Expression;
  readonly test: Expression | undefined;
  readonly isRecursive: boolean;
  readonly body: readonly Statement[];
  readonly otherwise: readonly Statement[];
}

export interface MacroNode extends Signature {
  readonly kind: 'macro';
  readonly name: string;
  readonly body: readonly Statement[];
}

export interface CallNode extends Signature {
  readonly kind: 'call block';
  readonly call: Expression & { readonly kind: 'call' };
  readonly body: readonly Statement[];
}

/** transformers' own tag, which marks what the assistant writes: a block that is rendered as it is. */
export interface GenerationNode extends Signature {
  readonly kind: 'generation';
  readonly body: readonly Statement[];
}

export interface WithNode {
  readonly kind: 'with';
  readonly assignments: readonly { readonly target: Target; readonly value: Expression }[];
  readonly body: readonly Statement[];
}

export interface SetBlockNode {
  readonly kind: 'set block';
  readonly target: Target;
  readonly filter: Expression | undefined;
  readonly body: readonly Statement[];
}

export interface FilterBlockNode {
  readonly kind: 'filter block';
  readonly filter: Expression;
  readonly body: readonly Statement[];
}

export interface IfNode {
  readonly kind: 'if';
  readonly branches: readonly { readonly test: Expression; readonly body: readonly Statement[] }[];
  readonly otherwise: readonly Statement[];
}

export type Statement =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'print'; readonly value: Expression }
  | { readonly kind: 'set'; readonly target: Target; readonly value: Expression }
  | { readonly kind: 'break' | 'continue' }
  | SetBlockNode
  | FilterBlockNode
  | IfNode
  | ForNode
  | WithNode
  | MacroNode
  | CallNode
  | GenerationNode;
