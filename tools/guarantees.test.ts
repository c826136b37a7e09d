import { readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { expect, it } from 'vitest';
import { ROOT } from './bootstrap/run.mjs';

const rows = readFileSync(join(ROOT, 'docs/guarantees.md'), 'utf8')
  .split('\n')
  .filter((line) => line.startsWith('| ') && !/^\| (promise|-)/.test(line))
  .map((line) => ({
    line,
    test: /\[(?<name>[^\]]+)\]\(\.\.\/(?<file>[^)]+)\), _(?<title>.+)_ +\|$/.exec(line)?.groups,
  }));

it('promises are made', () => {
  expect(rows.length).toBeGreaterThan(15);
});

it.each(rows)('a promise has a test of that title: $line', ({ test }) => {
  const { name = '', file = '', title = '' } = test ?? {};
  expect(basename(file)).toBe(name);
  expect(title.length).toBeGreaterThan(10);
  expect(readFileSync(join(ROOT, file), 'utf8')).toContain(title);
});
