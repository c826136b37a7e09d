import { z } from 'zod';

/**
 * A list of rows with these fields, in any of the forms that a corpus comes in: objects; lists of the fields' values in their order, as
 * HotpotQA has them; one object with a list for each field, as the `datasets` library keeps a list of objects; JSON text of one of these.
 */
export function rowsSchema<Row extends z.ZodRawShape>(row: z.ZodObject<Row>): z.ZodType<z.output<z.ZodObject<Row>>[]> {
  const fields = Object.keys(row.shape);
  return z.preprocess((value, issues) => asRows(value, fields, issues), z.array(row).min(1));
}

function asRows(value: unknown, fields: readonly string[], issues: z.RefinementCtx): unknown {
  if (typeof value === 'string') {
    try {
      return asRows(JSON.parse(value) as unknown, fields, issues);
    } catch (error) {
      return refuse(issues, [], `is text, and must be a list or JSON text of one: ${(error as Error).message}`);
    }
  }
  if (Array.isArray(value)) return value.map((row: unknown) => (isListOf(row, fields) ? rowOf(fields, row) : row));
  if (typeof value !== 'object' || value === null) return value;
  const columns = fields.map((field) => (value as Readonly<Record<string, unknown>>)[field]);
  const other = columns.findIndex((column) => !Array.isArray(column));
  if (other >= 0) return refuse(issues, [fields[other] as string], 'must be a list');
  const lists = columns as readonly (readonly unknown[])[];
  const lengths = lists.map(({ length }) => length);
  if (new Set(lengths).size > 1)
    return refuse(issues, [], `its lists ${fields.join(', ')} must be of one length, not of ${lengths.join(', ')}`);
  return (lists[0] as readonly unknown[]).map((_, index) =>
    rowOf(
      fields,
      lists.map((list) => list[index]),
    ),
  );
}

function isListOf(row: unknown, fields: readonly string[]): row is readonly unknown[] {
  return Array.isArray(row) && row.length === fields.length;
}

function rowOf(fields: readonly string[], values: readonly unknown[]): Record<string, unknown> {
  return Object.fromEntries(fields.map((field, index) => [field, values[index]]));
}

function refuse(issues: z.RefinementCtx, path: PropertyKey[], message: string): never {
  issues.addIssue({ code: 'custom', path, message });
  return z.NEVER;
}
