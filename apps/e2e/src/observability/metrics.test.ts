import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { waitFor } from '@solopo/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { prepareRetrieval, retrievalRun } from '../retrieval-run.ts';
import { System } from '../system.ts';
import { readExpressions, ROOT } from './chart.files.ts';
import { familyOf, readExposition, type Family } from './exposition.ts';
import { selectorsOf } from './promql.ts';

const WORKERS = ['datagen', 'reward', 'trainer'] as const;

/** What others export, with who does: `stores` and `fleet` show them where they are installed. */
const OUTSIDE: Readonly<Record<string, readonly string[]>> = {
  'prometheus-nats-exporter': [
    'gnatsd_varz_connections',
    'gnatsd_varz_in_msgs',
    'gnatsd_varz_mem',
    'gnatsd_varz_out_msgs',
    'gnatsd_varz_slow_consumers',
    'jetstream_stream_total_bytes',
  ],
  postgres_exporter: [
    'pg_database_size_bytes',
    'pg_settings_max_connections',
    'pg_stat_database_deadlocks',
    'pg_stat_database_numbackends',
    'pg_stat_database_xact_commit',
    'pg_stat_database_xact_rollback',
  ],
  'kube-state-metrics': ['kube_pod_container_status_restarts_total'],
};

/** What a scrape adds, and a histogram's own. */
const SCRAPE_LABELS = ['namespace', 'service', 'pod', 'le'];

let system: System;
let services: Map<string, Map<string, Family>>;
let all: Map<string, Family>;
const boards = mkdtempSync(join(tmpdir(), 'solopo-boards-'));

beforeAll(async () => {
  system = await System.start({ SOLOPO_TENSORBOARD_FOLDER: boards });
  await prepareRetrieval(system);
  await system.startScrapedWorkers(...WORKERS);
  const { id } = await system.createRun(retrievalRun());
  expect((await system.finished(id)).state).toBe('succeeded');
  await waitFor('the run is tracked', async () =>
    /^solopo_tracked_points_total\{tracker="tensorboard"\} [1-9]/m.test(await system.scrape('gateway')),
  );
  all = new Map();
  services = new Map();
  for (const service of ['gateway', ...WORKERS]) {
    const text = await system.scrape(service);
    services.set(service, readExposition(text));
    readExposition(text, all);
    expect(text).not.toContain(id);
  }
}, 120_000);

afterAll(async () => {
  await system.close();
  rmSync(boards, { recursive: true });
});

describe('what a system exports that did a run', () => {
  it('is what the dashboards and the alerts ask for, to the label and its value', () => {
    const outside = Object.values(OUTSIDE).flat();
    const asked = new Set<string>();
    for (const { where, expr } of readExpressions()) {
      for (const { metric, matchers } of selectorsOf(expr)) {
        asked.add(metric);
        if (outside.includes(metric)) continue;
        const family = familyOf(all, metric);
        expect(family, `${where}: ${metric}`).toBeDefined();
        for (const { label, operator, value } of matchers) {
          if (SCRAPE_LABELS.includes(label)) continue;
          const values = family?.labels.get(label);
          expect(values, `${where}: ${metric} by ${label}`).toBeDefined();
          if (operator === '=') expect([...(values ?? [])], `${where}: ${metric} by ${label}`).toContain(value);
        }
      }
    }
    expect(outside.filter((metric) => !asked.has(metric))).toEqual([]);
  });

  it('is what docs/metrics.md says: name, type, labels and who exports it', () => {
    const documented = readTable();
    const ours = [...all.keys()].filter((name) => name.startsWith('solopo_'));
    expect(ours.sort()).toEqual([...documented.keys()].sort());
    for (const [name, { type, labels, by }] of documented) {
      const family = all.get(name);
      expect(family?.type, name).toBe(type);
      expect([...(family?.labels.keys() ?? [])].filter((label) => label !== 'le').sort(), name).toEqual(labels);
      const exporters = [...services].filter(([, families]) => families.has(name)).map(([service]) => service);
      expect(exporters, name).toEqual(EXPORTERS[by]);
    }
  });

  it('has the figures of the run', () => {
    const values = (name: string, label: string): string[] => [...(all.get(name)?.labels.get(label) ?? [])];
    expect(values('solopo_http_request_seconds', 'route')).toContain('/v1/runs');
    expect(values('solopo_training_metric', 'name')).toEqual(
      expect.arrayContaining(['loss', 'grad_norm', 'rewards/margins', 'solo/gap_abs']),
    );
    expect(values('solopo_engine_graph_seconds_total', 'graph')).toEqual(
      expect.arrayContaining(['block-forward', 'block-backward', 'block-decode']),
    );
    expect(values('solopo_engine_task_seconds', 'task').sort()).toEqual(['measure', 'sample', 'score', 'trainSlice']);
  });
});

const EXPORTERS: Readonly<Record<string, readonly string[]>> = {
  all: ['gateway', ...WORKERS],
  gateway: ['gateway'],
  workers: WORKERS,
  trainer: ['trainer'],
};

function readTable(): Map<string, { type: string; labels: string[]; by: string }> {
  const page = readFileSync(join(ROOT, 'docs/metrics.md'), 'utf8');
  const rows = page.matchAll(/^\| `(solopo_\w+)` *\| (\w+) *\| ([^|]*)\| (\w+) *\| [^|]*\w[^|]*\|$/gm);
  return new Map(
    [...rows].map(([, name = '', type = '', labels = '', by = '']) => [
      name,
      { type, labels: [...labels.matchAll(/`(\w+)`/g)].map(([, label = '']) => label).sort(), by },
    ]),
  );
}
