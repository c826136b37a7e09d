// The gateway and the ledger under load: reads beside a bare Nest route over the same rows, open event streams, queued jobs, and a run of
// many pairs whose responses are random.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { get } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import autocannon from 'autocannon';
import pg from 'pg';
import { connectNats, eventSubject } from '@solopo/bus';
import { exampleLine, RETRIEVAL_PROMPT } from '@solopo/corpus';
import { System } from '../../apps/e2e/dist/system.js';
import { tinyModel } from '../../apps/gateway/dist/testing/tiny-model.fixture.js';
import { figure } from './figure.mjs';
import { sampleToPair } from './load.pairs.mjs';

const BARE = new URL('load.bare.mjs', import.meta.url).pathname;
const CONNECTIONS = 10;
const LIMIT_MS = 10 * 60_000;

export async function load({ quick }) {
  const system = await System.start();
  try {
    const pairs = quick ? 5000 : 100_000;
    const run = await prepare(system, pairs);
    const ofPairs = await pairFigures(system, run, pairs);
    return [
      ...ofPairs,
      ...(await readFigures(system, run, quick)),
      ...(await streamFigures(system, run, quick)),
      ...(await jobFigures(system, quick)),
    ];
  } finally {
    await system.close();
  }
}

export async function prepare(system, pairs) {
  const url = `http://127.0.0.1:${system.gatewayPort}`;
  const post = async (path, body, type = 'application/json') => {
    const response = await fetch(url + path, { method: 'POST', body, headers: { 'content-type': type } });
    if (!response.ok) throw new Error(`${path}: ${await response.text()}`);
    return response.json();
  };
  const files = {};
  for (const [name, content] of Object.entries(tinyModel()))
    files[name] = (await post('/v1/artifacts', Buffer.from(content), 'application/octet-stream')).digest;
  await post('/v1/models', JSON.stringify({ name: 'tiny', files }));
  const lines = Array.from({ length: pairs }, (_, n) => exampleLine(tinyExample(n))).join('');
  await post('/v1/datasets?name=many', lines, 'application/x-ndjson');
  const config = {
    name: 'load',
    model: 'tiny',
    dataset: 'many',
    contexts: { long: { documents: 2 } },
    prompt: RETRIEVAL_PROMPT,
    sampling: { samplesPerContext: 2, maxNewTokens: 4 },
    pairing: { heldOutPairs: 100, maxPairs: pairs },
    training: { pairsPerStep: 1024, stepsPerSlice: 50 },
    evaluation: null,
  };
  return (await post('/v1/runs', JSON.stringify(config))).id;
}

const tinyExample = (n) => ({
  id: `e${n}`,
  question: `Who is number ${n}?`,
  answers: [`n${n}`],
  documents: [
    { text: `It is n${n}.`, relevant: true },
    { text: `Nobody knows ${n}.`, relevant: false },
  ],
});

async function pairFigures(system, run, pairs) {
  const before = rssBytes(system);
  const { made, seconds, growthBytes } = await sampleToPair(system.ledger, run);
  await analyze(system);
  return [
    figure(`pairs a second from sample to pair, of ${pairs} examples`, made / seconds, 'pairs/s', { atLeast: 5000 }),
    figure('heap that the process of these stages has more in 100,000 pairs', growthBytes / 1e6, 'MB', { atMost: 100 }),
    figure('gateway, resident, more than before them', (rssBytes(system) - before) / 1e6, 'MB'),
  ];
}

/** As autovacuum does by itself within a minute; the Postgres of tests has none. */
async function analyze({ databaseUrl }) {
  const database = new pg.Client({ connectionString: databaseUrl });
  await database.connect();
  await database.query('analyze');
  await database.end();
}

function rssBytes(system, service = 'gateway') {
  return 1024 * Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${system.pid(service)}/status`, 'utf8'))[1]);
}

/** Round by round, so that both meet the same machine. */
async function readFigures(system, run, quick) {
  const stages = await system.ledger.runs.stages(run);
  const pair = stages.find(({ kind }) => kind === 'pair').digest;
  const reads = [
    ['runs', '/v1/runs', ['select * from runs order by created_at desc limit 100', []]],
    ['run', `/v1/runs/${run}`, ['select * from runs where id = $1', [run]]],
    [
      'pairs',
      `/v1/runs/${run}/pairs?limit=100`,
      ['select * from pairs where stage = $1 order by position limit 100', [pair]],
    ],
    ['datasets', '/v1/datasets', ['select * from datasets limit 100', []]],
    ['models', '/v1/models', ['select * from models limit 100', []]],
  ];
  const statements = Object.fromEntries(reads.map(([name, , statement]) => [name, statement]));
  const bare = spawn(process.execPath, [BARE, system.databaseUrl, JSON.stringify(statements)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  try {
    const [line] = await once(bare.stdout.setEncoding('utf8'), 'data');
    const url = `http://127.0.0.1:${system.gatewayPort}`;
    const figures = [];
    for (const [name, path] of reads) {
      const rounds = [];
      const measured = { gateway: url + path, bare: `${line.trim()}/rows?of=${name}` };
      for (const target of Object.values(measured)) await cannon(target, 1);
      for (let round = 0; round < 3; round++)
        rounds.push({
          gateway: await cannon(measured.gateway, quick ? 1 : 5),
          bare: await cannon(measured.bare, quick ? 1 : 5),
        });
      const ratio = (key) => median(rounds.map((round) => round.gateway[key] / round.bare[key]));
      figures.push(
        figure(`GET ${path.replace(run, ':id')}: reads a second, of a bare Nest route's`, ratio('reads'), '', {
          atLeast: 0.5,
        }),
        figure(`GET ${path.replace(run, ':id')}: p99, of a bare Nest route's`, ratio('p99'), '', { atMost: 2 }),
        figure(`GET ${path.replace(run, ':id')}`, median(rounds.map(({ gateway }) => gateway.reads)), 'reads/s'),
      );
    }
    return figures;
  } finally {
    bare.kill();
  }
}

async function cannon(url, seconds) {
  const result = await autocannon({ url, connections: CONNECTIONS, duration: seconds });
  if (result.non2xx > 0 || result.errors > 0)
    throw new Error(`${url}: ${result.non2xx} refused, ${result.errors} broken`);
  return { reads: result.requests.average, p99: Math.max(1, result.latency.p99) };
}

function median(numbers) {
  return numbers.sort((a, b) => a - b)[numbers.length >> 1];
}

/** Each stream must have each event. */
async function streamFigures(system, run, quick) {
  const [streams, events, pauseMs] = [500, quick ? 40 : 200, 50];
  const connection = await connectNats(system.nats.url, 'load');
  const before = rssBytes(system);
  const latencies = [];
  const open = [];
  try {
    for (let n = 0; n < streams; n++) {
      const request = get(`http://127.0.0.1:${system.gatewayPort}/v1/events?from=now`, { agent: false });
      open.push(request);
      const [response] = await once(request, 'response');
      if (response.statusCode !== 200) throw new Error(`stream ${n}: status ${response.statusCode}`);
      let rest = '';
      response.on('error', () => undefined).setEncoding('utf8');
      response.on('data', (chunk) => {
        const parts = (rest + chunk).split('"load-at":');
        for (const part of parts.slice(1))
          if (/^[\d.]+[^\d.]/.test(part)) latencies.push(performance.now() - Number.parseFloat(part));
        const last = parts.at(-1);
        rest = parts.length > 1 && !/^[\d.]+[^\d.]/.test(last) ? `"load-at":${last}` : last.slice(-20);
      });
    }
    for (let n = 0; n < events; n++) {
      const data = { 'load-at': performance.now(), n };
      connection.publish(
        eventSubject(run),
        JSON.stringify({ type: 'run.warning', run, at: new Date().toISOString(), data }),
      );
      await sleep(pauseMs);
    }
    await until('every stream has every event', () => latencies.length >= streams * events, 60_000);
    latencies.sort((a, b) => a - b);
    return [
      figure(`${streams} event streams, ${events} events at 20 a second: events heard`, latencies.length, '', {
        atLeast: streams * events,
      }),
      figure(
        `${streams} event streams: p99 from published to heard`,
        latencies[Math.floor(latencies.length * 0.99)],
        'ms',
      ),
      figure(`${streams} event streams: gateway, resident, more than before`, (rssBytes(system) - before) / 1e6, 'MB'),
    ];
  } finally {
    for (const request of open) request.on('error', () => undefined).destroy();
    await connection.close();
  }
}

/** Jobs that end at once, for their stage is not there: what is measured is the way of a job, from the ledger to its end there. */
async function jobFigures(system, quick) {
  const count = quick ? 2000 : 10_000;
  const unknown = 'f'.repeat(64);
  const database = new pg.Client({ connectionString: system.databaseUrl });
  await database.connect();
  const rows = async (of) => Number((await database.query(`select count(*) from ${of}`)).rows[0].count);
  const before = rssBytes(system);
  let most = before;
  const watch = setInterval(() => (most = Math.max(most, rssBytes(system))), 100);
  try {
    const messages = Array.from({ length: count }, (_, chunk) => {
      const id = `${unknown}:${chunk}`;
      return { subject: 'jobs.datagen.pair', messageId: id, payload: { id, stage: unknown, chunk } };
    });
    const committed = performance.now();
    await system.ledger.transaction((tx) => tx.outbox.add(messages));
    await until('all jobs are queued', async () => (await rows('outbox where published_at is null')) === 0);
    const queued = performance.now();
    system.startWorkers('datagen');
    const letters = () => rows('dead_letters');
    await until('a job has ended', async () => (await letters()) > 0);
    const [first, started] = [await letters(), performance.now()];
    await until('all jobs have ended', async () => (await letters()) >= count);
    return [
      figure(`${count} jobs: from the ledger to the queue`, (count / (queued - committed)) * 1000, 'jobs/s'),
      figure(`${count} jobs: ended by one worker`, ((count - first) / (performance.now() - started)) * 1000, 'jobs/s'),
      figure(`${count} jobs: gateway, resident, at most more than before`, (most - before) / 1e6, 'MB', {
        atMost: 100,
      }),
    ];
  } finally {
    clearInterval(watch);
    await database.end();
  }
}

async function until(what, isSo, limitMs = LIMIT_MS) {
  for (const end = performance.now() + limitMs; performance.now() < end; await sleep(50)) if (await isSo()) return;
  throw new Error(`not in ${limitMs / 1000} s: ${what}`);
}
