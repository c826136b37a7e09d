import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { exampleLine, retrievalExamples } from '@solopo/corpus';
import { startOtlpReceiver, waitFor, type OtlpReceiver, type ReceivedSpan } from '@solopo/testing';
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

const TRACE = '0af7651916cd43dd8448eb211c80319c';
const CLIENT_SPAN = 'b7ad6b7169203331';

let receiver: OtlpReceiver;
let system: System;
let services: Map<string, Map<string, Family>>;
let all: Map<string, Family>;
const boards = mkdtempSync(join(tmpdir(), 'solopo-boards-'));

/** One run on a system that is observed in every way. */
beforeAll(async () => {
  receiver = await startOtlpReceiver();
  system = await System.start({
    SOLOPO_OTLP_URL: receiver.url,
    SOLOPO_LOG_LEVEL: 'info',
    SOLOPO_TENSORBOARD_FOLDER: boards,
  });
  await prepareRetrieval(system);
  system.startWorkers(...WORKERS);
  const run = await traced();
  const { state } = await system.finished(run, 120_000);
  expect(state).toBe('succeeded');
  await waitFor(
    'the run is tracked',
    async () => /^solopo_tracked_points_total\{tracker="tensorboard"\} [1-9]/m.test(await system.scrape('gateway')),
    60_000,
  );
  all = new Map();
  services = new Map();
  for (const service of ['gateway', ...WORKERS] as const) {
    const text = await system.scrape(service);
    services.set(service, readExposition(text));
    readExposition(text, all);
    expect(text).not.toContain(run);
  }
}, 240_000);

afterAll(async () => {
  await system.close();
  await receiver.stop();
  rmSync(boards, { recursive: true });
});

/** A client that imports a data set and starts a run over it, both as parts of one trace. */
async function traced(): Promise<string> {
  const post = (path: string) => system.api.post(path).set('traceparent', `00-${TRACE}-${CLIENT_SPAN}-01`);
  const lines = [...retrievalExamples({ seed: 7, count: 60, documents: 8 })].map(exampleLine).join('');
  await post('/v1/datasets').query({ name: 'traced' }).type('application/x-ndjson').send(lines).expect(201);
  const config = retrievalRun({ dataset: 'traced', training: { pairsPerStep: 4, maxSteps: 2 } });
  const { body } = await post('/v1/runs').send(config).expect(201);
  return (body as { id: string }).id;
}

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
      expect.arrayContaining(['head-score', 'head-backward']),
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

const trace = (): readonly ReceivedSpan[] => receiver.spans.filter(({ traceId }) => traceId === TRACE);
const named = (service: string, name: string): Promise<ReceivedSpan> =>
  waitFor(
    `${service} tells of ${name}`,
    () => trace().find((span) => span.service === service && span.name === name),
    30_000,
  );

/** From a span up to its trace's beginning. */
async function ancestors(span: ReceivedSpan): Promise<readonly string[]> {
  const path = [`${span.service}: ${span.name}`];
  for (let at = span; at.parentSpanId !== CLIENT_SPAN;) {
    const parent = at.parentSpanId;
    at = await waitFor(`the parent of ${at.name}`, () => trace().find(({ spanId }) => spanId === parent));
    path.push(`${at.service}: ${at.name}`);
  }
  return path;
}

describe('one trace', () => {
  it('follows a pair from its import to the gradient step: HTTP, outbox, JetStream, SQL, session.run', async () => {
    expect(await ancestors(await named('gateway', 'POST /v1/datasets'))).toHaveLength(1);
    const step = await waitFor('a backward pass', () =>
      trace().find(({ name, attributes }) => name === 'session.run' && attributes['solopo.graph'] === 'head-backward'),
    );
    const path = await ancestors(step);
    expect(path.slice(0, 4)).toEqual([
      'engine: session.run',
      'engine: execute trainSlice',
      'trainer: engine trainSlice',
      'trainer: process jobs.trainer.train',
    ]);
    expect(path.at(-1)).toBe('gateway: POST /v1/runs');
    // Whichever process relays, publishes.
    const jobs = path.slice(3).map((place) => place.replace(/^\w+: (publish|process) jobs\.\w+\.(\w+)$/, '$1 $2'));
    expect(jobs.filter((place) => !place.includes('score'))).toEqual([
      'process train',
      'publish train',
      'process pair',
      'publish pair',
      'process sample',
      'publish sample',
      'process compose',
      'publish compose',
      'gateway: POST /v1/runs',
    ]);
    expect(jobs.filter((place) => place.includes('score'))).toEqual(['process score', 'publish score']);
  });

  it('has the statements of each part, without values', async () => {
    const { spanId } = await named('trainer', 'process jobs.trainer.train');
    const steps = await waitFor('the steps are written', () =>
      trace().find(
        ({ parentSpanId, attributes }) =>
          parentSpanId === spanId && String(attributes['db.query.text']).startsWith('insert into "steps"'),
      ),
    );
    expect(steps).toMatchObject({ service: 'trainer', name: 'SQL insert', kind: 3 });
    expect(steps.attributes['db.query.text']).toMatch(/values \(\$1, \$2/);
    await named('gateway', 'SQL insert');
  });

  it('is named in the logs', async () => {
    const line = await waitFor('the log of the job', () =>
      system.output
        .join('')
        .split('\n')
        .find((entry) => entry.includes('"jobs.trainer.train"') && entry.includes('"outcome":"done"')),
    );
    expect(line).toContain(`"trace":"${TRACE}"`);
  });

  it('is not made of what nobody asked for: probes, and the relay that looks for work', async () => {
    await system.api.get('/readyz').expect(200);
    await named('gateway', 'POST /v1/runs');
    const roots = receiver.spans.filter(({ parentSpanId }) => !parentSpanId).map(({ name }) => name);
    expect([...new Set(roots)].sort()).toEqual(['POST /v1/artifacts', 'POST /v1/datasets', 'POST /v1/models']);
  });
});
