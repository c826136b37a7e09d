import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { format } from 'prettier';
import { describe, expect, it } from 'vitest';
import { configDefinitions } from './configs.ts';
import { CHART } from './chart.ts';
import { functionsForChart } from './functions.ts';

const pretty = (value: unknown) => format(JSON.stringify(value), { parser: 'json', printWidth: 120 });

describe('what the chart takes from the code (npm run chart writes it)', () => {
  it('has the functions as the manifest declares them', async () => {
    await expect(await pretty(functionsForChart())).toMatchFileSnapshot(join(CHART, 'files', 'functions.json'));
  });

  it('has the configuration as the services read it', async () => {
    const file = join(CHART, 'values.schema.json');
    const schema = JSON.parse(readFileSync(file, 'utf8')) as { definitions: Record<string, object> };
    const expected = { ...schema, definitions: { ...schema.definitions, ...(await configDefinitions()) } };
    await expect(await pretty(expected)).toMatchFileSnapshot(file);
  });
});
