import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { ROOT } from './bootstrap/run.mjs';

function measured(name: string, options: object): Record<string, unknown> {
  const program = join(ROOT, 'tools/bench/compose.cases.mjs');
  const given = { root: ROOT, model: 'qwen2.5-0.5b-instruct', maxTokens: 2000, ...options };
  return JSON.parse(
    execFileSync(process.execPath, [program, name, JSON.stringify(given)], { encoding: 'utf8' }),
  ) as Record<string, unknown>;
}

it('the measured cases of composing run on what the product is now', () => {
  expect(measured('library', { records: 4 })).toEqual({ cpuSeconds: expect.any(Number), digest: expect.any(String) });
  expect(measured('service', { records: 4 })).toMatchObject({ seconds: expect.any(Number) });
  expect(measured('tokenize', { megabytes: 0.01 })).toMatchObject({ tokens: expect.any(Number) });
});
