import { RequestMethod, type Type } from '@nestjs/common';
import { HTTP_CODE_METADATA, METHOD_METADATA, PATH_METADATA, ROUTE_ARGS_METADATA } from '@nestjs/common/constants.js';
import { RouteParamtypes } from '@nestjs/common/internal';
import type { z } from 'zod';
import { Valid } from '../http/valid.pipe.ts';
import { operationOf, type OperationDescription } from './operation.decorator.ts';

export type HttpMethod = 'get' | 'head' | 'post' | 'put' | 'patch' | 'delete';

export interface Route {
  readonly method: HttpMethod;
  /** As Express has it: `/v1/runs/:id`. */
  readonly path: string;
  readonly status: number;
  readonly operation: OperationDescription | undefined;
  readonly parameters: Readonly<Record<string, z.ZodType | undefined>>;
  readonly query: z.ZodType | undefined;
  readonly body: z.ZodType | undefined;
}

interface RouteArgument {
  readonly data?: string;
  readonly pipes: readonly unknown[];
}

/** The routes that Nest makes of the controllers, from the same metadata. */
export function routesOf(controllers: readonly Type[]): Route[] {
  return controllers.flatMap((controller) =>
    Object.getOwnPropertyNames(controller.prototype).flatMap((name) => routeOf(controller, name)),
  );
}

function routeOf(controller: Type, name: string): Route[] {
  const handler = (controller.prototype as Record<string, object>)[name] as object;
  const verb = read<RequestMethod>(METHOD_METADATA, handler);
  if (verb === undefined) return [];
  const method = RequestMethod[verb].toLowerCase() as HttpMethod;
  const base = read<string>(PATH_METADATA, controller) ?? '';
  const args = Object.entries(
    (Reflect.getMetadata(ROUTE_ARGS_METADATA, controller, name) ?? {}) as Record<string, RouteArgument>,
  );
  const schemaOf = (type: RouteParamtypes): z.ZodType | undefined =>
    args.filter(([key]) => isOf(key, type)).map(([, arg]) => pipeSchema(arg))[0];
  return [
    {
      method,
      path: `/${[base, read<string>(PATH_METADATA, handler) ?? ''].flatMap((part) => part.split('/').filter(Boolean)).join('/')}`,
      status: read<number>(HTTP_CODE_METADATA, handler) ?? (method === 'post' ? 201 : 200),
      operation: operationOf(handler),
      parameters: Object.fromEntries(
        args
          .filter(([key]) => isOf(key, RouteParamtypes.PARAM))
          .map(([, arg]) => [arg.data ?? '', pipeSchema(arg)] as const),
      ),
      query: schemaOf(RouteParamtypes.QUERY),
      body: schemaOf(RouteParamtypes.BODY),
    },
  ];
}

function isOf(key: string, type: RouteParamtypes): boolean {
  return key.startsWith(`${type}:`);
}

function pipeSchema({ pipes }: RouteArgument): z.ZodType | undefined {
  return pipes.find((pipe) => pipe instanceof Valid)?.schema as z.ZodType | undefined;
}

function read<T>(key: string, target: object): T | undefined {
  return Reflect.getMetadata(key, target) as T | undefined;
}
