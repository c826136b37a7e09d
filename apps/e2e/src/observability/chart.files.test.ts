import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { ALERTS, readAlerts, readDashboards, readExpressions, ROOT } from './chart.files.ts';

describe('the dashboards', () => {
  it('are those of the fleet, functions, training, API and stores', () => {
    expect(readDashboards().map(([name]) => name)).toEqual(['api', 'fleet', 'functions', 'stores', 'training']);
    const uids = readDashboards().map(([, { uid }]) => uid);
    expect(new Set(uids).size).toBe(uids.length);
  });

  it.each(readDashboards())('%s leaves data source and namespace to variables', (_, { panels, templating }) => {
    expect(templating.list.map(({ name, type }) => [name, type])).toEqual([
      ['datasource', 'datasource'],
      ['namespace', 'query'],
    ]);
    const charts = panels.filter(({ type }) => type !== 'row');
    expect(charts.length).toBeGreaterThan(5);
    for (const { title, datasource, targets = [] } of charts) {
      expect(targets.length, title).toBeGreaterThan(0);
      for (const uid of [datasource?.uid, ...targets.map((target) => target.datasource.uid)])
        expect(uid, title).toBe('${datasource}');
      for (const { expr } of targets) {
        const selectors = expr.match(/\{[^}]*\}/g) ?? [];
        expect(selectors.length, expr).toBeGreaterThan(0);
        for (const selector of selectors) expect(selector, expr).toContain('namespace="$namespace"');
      }
    }
  });
});

describe('the alerts', () => {
  const alerts = readAlerts();

  it('each have a severity, a summary, a description and a runbook of their own', () => {
    for (const { alert, labels, annotations } of alerts) {
      expect(['warning', 'critical'], alert).toContain(labels['severity']);
      expect(annotations['summary'], alert).toMatch(/\w/);
      expect(annotations['description'], alert).toMatch(/\.$/);
      expect(annotations['runbook_url'], alert).toBe(`docs/runbooks/${alert}.md`);
    }
  });

  it('and the runbooks are the same, each with what it means, what to look at and what to do', () => {
    const folder = join(ROOT, 'docs/runbooks');
    expect(readdirSync(folder).sort()).toEqual(alerts.map(({ alert }) => `${alert}.md`).sort());
    for (const { alert } of alerts) {
      const page = readFileSync(join(folder, `${alert}.md`), 'utf8');
      expect(page).toMatch(
        new RegExp(`^# ${alert}\\n\\n\\w[^]*\\n## What to look at\\n\\n1\\. [^]*\\n## What to do\\n\\n- `),
      );
      for (const [, link = ''] of page.matchAll(/\]\(([^)]+)\)/g)) expect(readdirSync(folder), alert).toContain(link);
    }
  });

  it('are listed in docs/metrics.md with their severity', () => {
    const page = readFileSync(join(ROOT, 'docs/metrics.md'), 'utf8');
    const listed = [...page.matchAll(/^- \[(\w+)\]\(runbooks\/(\w+)\.md\) \((\w+)\)$/gm)].map((row) => row.slice(1));
    expect(listed).toEqual(alerts.map(({ alert, labels }) => [alert, alert, labels['severity']]));
  });
});

const promtool = (...args: readonly string[]): string =>
  execFileSync('promtool', args, { encoding: 'utf8', stdio: 'pipe' });
const hasPromtool = spawnSync('promtool', ['--version']).status === 0;

describe("Prometheus's own tool", () => {
  it('takes the rules', (context) => {
    if (!hasPromtool) return context.skip('promtool is not on PATH; it comes with the package prometheus');
    expect(promtool('check', 'rules', ALERTS)).toContain(`SUCCESS: ${readAlerts().length} rules found`);
  });

  it('sees every alert fire and not fire when it should', (context) => {
    if (!hasPromtool) return context.skip('promtool is not on PATH; it comes with the package prometheus');
    const file = join(import.meta.dirname, 'alerts.promtool.yaml');
    expect(promtool('test', 'rules', file)).toContain('SUCCESS');
    const tested = new Set([...readFileSync(file, 'utf8').matchAll(/alertname: (\w+)/g)].map(([, name]) => name));
    expect([...tested].sort()).toEqual(
      readAlerts()
        .map(({ alert }) => alert)
        .sort(),
    );
  });

  it('can read every expression of the dashboards', (context) => {
    if (!hasPromtool) return context.skip('promtool is not on PATH; it comes with the package prometheus');
    const folder = mkdtempSync(join(tmpdir(), 'solopo-promql-'));
    try {
      const rules = readExpressions().map(({ expr }, index) => ({
        record: `expression_${index}`,
        expr: expr.replaceAll('$__rate_interval', '5m'),
      }));
      const file = join(folder, 'rules.yaml');
      writeFileSync(file, JSON.stringify({ groups: [{ name: 'dashboards', rules }] }));
      expect(promtool('check', 'rules', file)).toContain(`SUCCESS: ${rules.length} rules found`);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
