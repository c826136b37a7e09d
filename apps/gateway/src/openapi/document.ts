import type { Type } from '@nestjs/common';
import { problemSchema } from '@solopo/contracts';
import { z } from 'zod';
import { components, schemaOf } from './components.ts';
import type { OperationDescription } from './operation.decorator.ts';
import { routesOf, type Route } from './routes.ts';

/** Of the API, not of the program: an incompatible change begins a new one under /v2. */
const VERSION = '1.0.0';

const PROBLEM = {
  description: 'A problem: what is wrong, and what to do next',
  content: { 'application/problem+json': { schema: schemaOf(problemSchema, 'output') } },
};

const DESCRIPTION = `Long-context training of language models on preference pairs (SoLoPO).

Where the gateway asks for tokens, send \`Authorization: Bearer TOKEN\`. A token's scopes are \`read\`, \`run\` (which
holds \`read\`) and \`admin\` (which holds both); each operation names the one it needs.`;

/** The OpenAPI document of the controllers' routes. */
export function openApiDocument(controllers: readonly Type[]): Record<string, unknown> {
  const paths: Record<string, Record<string, unknown>> = {};
  for (const route of routesOf(controllers)) {
    const path = route.path.replace(/:(\w+)/g, '{$1}');
    (paths[path] ??= {})[route.method] = operationObject(route);
  }
  return {
    openapi: '3.1.0',
    info: {
      title: 'Solopo',
      version: VERSION,
      description: DESCRIPTION,
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    },
    servers: [{ url: '/' }],
    security: [{ token: [] }],
    paths,
    components: {
      securitySchemes: { token: { type: 'http', scheme: 'bearer', description: 'Issued by POST /v1/tokens' } },
      responses: { Problem: PROBLEM },
      schemas: components(),
    },
  };
}

function operationObject(route: Route): Record<string, unknown> {
  const { operation, body } = route;
  if (operation === undefined) throw new Error(`${route.method} ${route.path} has no @Operation; describe it there.`);
  const parameters = parametersOf(route, operation);
  return {
    operationId: operation.id,
    summary: operation.summary,
    tags: [route.path.split('/')[2]],
    ...(operation.scope === null ? { security: [] } : { 'x-scope': operation.scope }),
    ...(parameters.length === 0 ? {} : { parameters }),
    ...(operation.upload === undefined
      ? {}
      : { requestBody: { required: true, ...content(operation.upload.type, operation.upload) } }),
    ...(body === undefined
      ? {}
      : { requestBody: { required: true, content: { 'application/json': { schema: schemaOf(body, 'input') } } } }),
    responses: { [route.status]: answerOf(operation), default: { $ref: '#/components/responses/Problem' } },
  };
}

function answerOf({ answer, summary }: OperationDescription): Record<string, unknown> {
  if (answer === null) return { description: summary };
  if (!(answer instanceof z.ZodType)) return content(answer.type, answer);
  return { description: summary, content: { 'application/json': { schema: schemaOf(answer, 'output') } } };
}

function content(type: string, { description }: { readonly description: string }): Record<string, unknown> {
  return {
    description,
    content: { [type]: { schema: type === 'application/octet-stream' ? {} : { type: 'string' } } },
  };
}

function parametersOf({ path, parameters, query }: Route, { headers = {} }: OperationDescription): unknown[] {
  const inPath = [...path.matchAll(/:(\w+)/g)].map(([, name = '']) => {
    const schema = parameters[name];
    return parameter('path', name, schema === undefined ? { type: 'string' } : schemaOf(schema, 'input'), true);
  });
  const { properties = {}, required = [] } = (query === undefined ? {} : schemaOf(query, 'input')) as {
    properties?: Record<string, Record<string, unknown>>;
    required?: string[];
  };
  return [
    ...inPath,
    ...Object.entries(properties).map(([name, schema]) => parameter('query', name, schema, required.includes(name))),
    ...Object.entries(headers).map(([name, schema]) => parameter('header', name, schemaOf(schema, 'input'), false)),
  ];
}

function parameter(place: string, name: string, schema: Record<string, unknown>, required: boolean) {
  const { description, ...rest } = schema;
  return { name, in: place, required, ...(description === undefined ? {} : { description }), schema: rest };
}
