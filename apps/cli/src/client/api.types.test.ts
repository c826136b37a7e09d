import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import openapiTS, { astToString, type OpenAPI3 } from 'openapi-typescript';
import { format, resolveConfig } from 'prettier';
import { expect, it } from 'vitest';

const DOCUMENT = fileURLToPath(new URL('../../../gateway/openapi.json', import.meta.url));
const TYPES = fileURLToPath(new URL('api.types.ts', import.meta.url));

it('is what the OpenAPI document says (npm run openapi)', async () => {
  const document = JSON.parse(readFileSync(DOCUMENT, 'utf8'), plainStrings) as OpenAPI3;
  const types = await openapiTS(document, { immutable: true, defaultNonNullable: false });
  const source = `// Generated from apps/gateway/openapi.json by npm run openapi.\n\n${astToString(types)}`;
  const config = await resolveConfig(TYPES);
  await expect(await format(source, { ...config, parser: 'typescript' })).toMatchFileSnapshot(TYPES);
});

/** A string of several patterns is a string to TypeScript. */
function plainStrings(_: string, value: unknown): unknown {
  if (value === null || typeof value !== 'object' || !('type' in value) || value.type !== 'string') return value;
  return { ...value, allOf: undefined };
}
