import { expect, it } from 'vitest';
import { selectorsOf } from './promql.ts';

it('finds the series of an expression, and nothing else', () => {
  const metrics = (expression: string) => selectorsOf(expression).map(({ metric }) => metric);
  expect(
    metrics(`60 * sum by (app, le) (rate(a_total{x="b c", y!~"d(e)"}[5m])) / on (namespace) max(f offset 15m) > 0.2
      and g unless (absent(h{i="j"}) or vector(0))`),
  ).toEqual(['a_total', 'f', 'g', 'h']);
  expect(selectorsOf('a{b="c", d=~"e|f"} > 1e9')).toEqual([
    {
      metric: 'a',
      matchers: [
        { label: 'b', operator: '=', value: 'c' },
        { label: 'd', operator: '=~', value: 'e|f' },
      ],
    },
  ]);
});
