import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { ROOT } from './bootstrap/run.mjs';

interface Report {
  readonly kinds: readonly {
    readonly kind: string;
    readonly cases: number;
    readonly faults: readonly { readonly name: string; readonly message: string }[];
  }[];
}

/** What `npm run fuzz` says, in words and as JSON. */
async function fuzz(...options: readonly string[]): Promise<{ code: number; said: string; report: Report }> {
  const folder = mkdtempSync(join(tmpdir(), 'solopo-fuzz-report-'));
  const json = join(folder, 'report.json');
  try {
    const { code, said } = await new Promise<{ code: number; said: string }>((resolve) => {
      execFile(
        process.execPath,
        [join(ROOT, 'tools/fuzz/main.mjs'), ...options, '--json', json],
        (error, stdout, stderr) => resolve({ code: error === null ? 0 : Number(error.code), said: stdout + stderr }),
      );
    });
    return { code, said, report: JSON.parse(readFileSync(json, 'utf8')) as Report };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

it('bad input for every reader, route and message is refused in words', async () => {
  const { code, said, report } = await fuzz('--cases', '4000', '--seed', '17');
  expect(report.kinds.flatMap(({ kind, faults }) => faults.map((fault) => ({ kind, ...fault })))).toEqual([]);
  expect(code, said).toBe(0);
  expect(report.kinds.length).toBeGreaterThan(14);
  for (const { kind, cases } of report.kinds) expect([kind, cases >= 20]).toEqual([kind, true]);
});

it('what hangs, dies, leaks, writes elsewhere or throws what is not ours is found', async () => {
  const kinds = ['type-error', 'hang', 'write', 'growth', 'death', 'rejection'].map((fault) => `planted-${fault}`);
  const { code, said, report } = await fuzz('--only', kinds.join(), '--cases', '27000', '--limit', '700');
  const found = report.kinds.map(({ kind, faults }) => [kind, faults[0]?.name]);
  expect(found).toEqual([
    ['planted-type-error', 'TypeError'],
    ['planted-hang', 'hang'],
    ['planted-write', 'Error'],
    ['planted-growth', 'memory'],
    ['planted-death', 'death'],
    ['planted-rejection', 'TypeError'],
  ]);
  expect(code).toBe(1);
  expect(said).toMatch(/npm run fuzz -- --only planted-type-error --seed=-?\d+ --path [\d:]+\n {7}701\n/);
});
