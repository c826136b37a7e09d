import { describe, expect, it } from 'vitest';
import { Metrics } from './metrics.service.ts';

describe('figures that are looked up', () => {
  it('are read when they are asked for, and missing, not old, while they cannot be read', async () => {
    const metrics = new Metrics();
    const gauge = metrics.gauge({ name: 'solopo_rows', help: 'Rows', labels: ['table'] });
    const total = metrics.gauge({ name: 'solopo_all_rows', help: 'Rows of all tables' });
    let rows: number | undefined = 7;
    metrics.source({
      name: 'ledger',
      gauges: [gauge, total],
      read: () => {
        if (rows === undefined) throw new Error('no connection');
        gauge.set({ table: 'runs' }, rows);
        total.set(rows);
      },
    });
    expect(await metrics.text()).toContain('solopo_rows{table="runs"} 7');
    rows = 8;
    const fresh = await metrics.text();
    expect(fresh).toContain('solopo_rows{table="runs"} 8');
    expect(fresh).toMatch(/^solopo_all_rows 8$/m);
    rows = undefined;
    const broken = await metrics.text();
    expect(broken).not.toContain('solopo_rows{');
    expect(broken).not.toMatch(/^solopo_all_rows /m);
    expect(broken).toContain('solopo_metrics_source_up{source="ledger"} 0');
    rows = 9;
    expect(await metrics.text()).toContain('solopo_metrics_source_up{source="ledger"} 1');
  });
});
