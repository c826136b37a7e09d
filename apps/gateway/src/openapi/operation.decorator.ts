import { SetMetadata } from '@nestjs/common';
import type { Frozen, Scope } from '@solopo/contracts';
import type { z } from 'zod';

/** A body that is not JSON: its media type and what it is. */
export interface Content {
  readonly type: string;
  readonly description: string;
}

export interface OperationOptions<Answer extends z.ZodType | Content | null> {
  readonly summary: string;
  /** What a token must hold; null: open to everybody. */
  readonly scope: Scope | null;
  /** Of a good answer; null: none but its status. */
  readonly answer: Answer;
  /** The body where it is a stream. */
  readonly upload?: Content;
  readonly headers?: Readonly<Record<string, z.ZodType>>;
}

export interface OperationDescription extends OperationOptions<z.ZodType | Content | null> {
  /** Unique: what generated clients call it. */
  readonly id: string;
}

export const OPERATION = 'solopo.operation';

type AnswerOf<Answer> = Answer extends z.ZodType<infer T> ? Frozen<T> : unknown;

/** What the public API's document says of a route, and who may call it. The answer's schema must fit what the method returns. */
export function Operation<Answer extends z.ZodType | Content | null>(id: string, options: OperationOptions<Answer>) {
  const description: OperationDescription = { id, ...options };
  return <Method extends (...args: never[]) => AnswerOf<Answer> | Promise<AnswerOf<Answer>>>(
    target: object,
    key: string,
    descriptor: TypedPropertyDescriptor<Method>,
  ): void => {
    SetMetadata(OPERATION, description)(target, key, descriptor);
  };
}

export function operationOf(handler: object): OperationDescription | undefined {
  return Reflect.getMetadata(OPERATION, handler) as OperationDescription | undefined;
}
