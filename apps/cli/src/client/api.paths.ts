import type { paths } from './api.types.ts';

export type Verb = 'get' | 'post' | 'delete';

/** Paths that answer to a verb. */
export type PathOf<V extends Verb> = {
  [P in keyof paths]: paths[P][V] extends { readonly responses: unknown } ? P : never;
}[keyof paths];

/** What a request needs beside its path: each part is there when the document has it. */
export type RequestOf<P extends keyof paths, V extends Verb> = PathPart<paths[P][V]> &
  QueryPart<paths[P][V]> &
  BodyPart<paths[P][V]>;

/** The JSON of a good answer. */
export type AnswerOf<P extends keyof paths, V extends Verb> = paths[P][V] extends {
  readonly responses: infer Responses;
}
  ? JsonOf<Responses[keyof Responses & (200 | 201)]>
  : never;

type JsonOf<Response> = Response extends { readonly content: { readonly 'application/json': infer Json } }
  ? Json
  : never;

type PathPart<Operation> = Operation extends { readonly parameters: { readonly path: infer Path extends object } }
  ? { readonly path: Path }
  : unknown;

type QueryPart<Operation> = Operation extends { readonly parameters: { readonly query: infer Query extends object } }
  ? { readonly query: Query }
  : Operation extends { readonly parameters: { readonly query?: infer Query } }
    ? { readonly query?: Exclude<Query, undefined> }
    : unknown;

type BodyPart<Operation> = Operation extends {
  readonly requestBody: { readonly content: { readonly 'application/json': infer Json } };
}
  ? { readonly json: Lax<Json> }
  : unknown;

/** What may be left out may be undefined too: JSON knows no difference. */
export type Lax<T> = T extends readonly (infer Item)[]
  ? readonly Lax<Item>[]
  : T extends object
    ? { readonly [K in keyof T]: Lax<T[K]> | (object extends Pick<T, K> ? undefined : never) }
    : T;
