import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeEach, describe, expect, it } from 'vitest';
import { parse, stringify } from 'yaml';
import { CHART, manifests, needTools, template, tool } from './chart.ts';
import { KUBERNETES } from './versions.mjs';

const SCHEMAS = 'tools/chart/schemas';
const FILES = readdirSync(join(CHART, 'ci'));

beforeEach(needTools);

it('is held against the oldest Kubernetes that it admits', () => {
  const { kubeVersion } = parse(readFileSync(join(CHART, 'Chart.yaml'), 'utf8')) as { kubeVersion: string };
  expect(KUBERNETES[0]!.startsWith(/^>=(\d+\.\d+\.)0-0$/.exec(kubeVersion)![1]!)).toBe(true);
});

describe.each(FILES)('with ci/%s', (file) => {
  const values = ['--values', join(CHART, 'ci', file)];

  it('passes helm lint --strict', () => {
    expect(tool('helm', ['lint', '--strict', CHART, ...values])).toContain('0 chart(s) failed');
  });

  it.each(KUBERNETES)('is what Kubernetes %s accepts', (version) => {
    const checked = tool('kubeconform', [...kubeconform(version)], template(values));
    const { summary } = JSON.parse(checked) as { summary: Record<string, number> };
    expect(summary).toEqual({ valid: manifests(values).length, invalid: 0, errors: 0, skipped: 0 });
  });
});

it('kubeconform refuses a field that no Kubernetes has', () => {
  const wrong = template().replace('revisionHistoryLimit:', 'revisionHistorieLimit:');
  expect(() => tool('kubeconform', kubeconform(KUBERNETES[0]!), wrong)).toThrow("'revisionHistorieLimit' not allowed");
});

it('brings every dashboard, as Grafana reads it', () => {
  const folder = join(CHART, 'dashboards');
  const files = existsSync(folder) ? readdirSync(folder) : [];
  const maps = manifests(['--set', 'dashboards.enabled=true']).filter(
    ({ metadata }) => metadata.labels?.['grafana_dashboard'] === '1',
  );
  const found = Object.assign({}, ...maps.map((map) => map['data'] as Record<string, string>)) as Record<
    string,
    string
  >;
  expect(Object.keys(found).sort()).toEqual(files.sort());
  for (const file of files) expect(found[file]).toBe(readFileSync(join(folder, file), 'utf8'));
});

it('brings rules that promtool takes, each with an absolute link', (context) => {
  if (spawnSync('promtool', ['--version']).status !== 0)
    return context.skip('promtool is not on PATH; it comes with the package prometheus');
  const rule = manifests(['--set', 'metrics.prometheusRule.enabled=true']).find(
    ({ kind }) => kind === 'PrometheusRule',
  );
  const spec = rule!['spec'] as { groups: { rules: { alert: string; annotations: Record<string, string> }[] }[] };
  const rules = spec.groups.flatMap((group) => group.rules);
  for (const { alert, annotations } of rules) {
    const { protocol, pathname } = new URL(annotations['runbook_url']!);
    expect([protocol, pathname]).toEqual(['http:', `/runbooks/${alert}.md`]);
  }
  const folder = mkdtempSync(join(tmpdir(), 'solopo-rules-'));
  try {
    const file = join(folder, 'rules.yaml');
    writeFileSync(file, stringify(spec));
    const output = execFileSync('promtool', ['check', 'rules', file], { encoding: 'utf8', stdio: 'pipe' });
    expect(output).toContain(`SUCCESS: ${rules.length} rules found`);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

it('passes its suites (helm/solopo/tests)', () => {
  expect(tool('helm-unittest', ['--strict', CHART])).toMatch(/Tests: +[1-9]\d+ passed, \d+ total/);
});

function kubeconform(version: string): string[] {
  const at = (path: string) => ['-schema-location', `${SCHEMAS}/${path}.json`];
  return [
    ...['-strict', '-summary', '-output', 'json', '-kubernetes-version', version],
    ...at('{{.NormalizedKubernetesVersion}}/{{.ResourceKind}}{{.KindSuffix}}'),
    ...at('custom/{{.Group}}/{{.ResourceKind}}_{{.ResourceAPIVersion}}'),
  ];
}
