import { PRESETS, runConfigSchema } from '@solopo/contracts';
import { z } from 'zod';

type JsonSchema = Record<string, unknown>;

/** The JSON Schema of a run file, for editors. The program itself checks with the schema that this is made of. */
export function runSchema(): JsonSchema {
  const { $schema, properties, ...schema } = z.toJSONSchema(runConfigSchema, {
    io: 'input',
    override: tidy,
  }) as JsonSchema & {
    properties: Record<string, JsonSchema>;
  };
  const { objective = {}, ...others } = properties;
  return {
    $schema,
    title: 'Solopo run',
    description: 'Everything that decides a run: solopo runs create -f FILE',
    ...schema,
    properties: { preset: PRESET, ...others, objective: withDefaultKind(objective) },
  };
}

/** It is gone when the schema proper comes to see a file. */
const PRESET = {
  description: 'The settings of `alignment` that the file does not name: the recommended ones, or those of the paper.',
  type: 'string',
  enum: Object.keys(PRESETS),
  default: 'default',
};

/** An objective without a kind is DPO. */
function withDefaultKind({ oneOf = [], ...rest }: JsonSchema & { oneOf?: JsonSchema[] }): JsonSchema {
  return {
    ...rest,
    oneOf: oneOf.map(({ required, ...option }) => {
      const { kind } = option['properties'] as { kind?: { const?: unknown } };
      return kind?.const === 'dpo' ? option : { ...option, required };
    }),
  };
}

function tidy({ jsonSchema }: { readonly jsonSchema: JsonSchema }): void {
  if (jsonSchema['maximum'] === Number.MAX_SAFE_INTEGER) delete jsonSchema['maximum'];
}
