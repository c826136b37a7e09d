import { get } from '../api.js';
import { fill, h } from '../dom.js';
import { ago, duration, NONE, percent, when, whole } from '../format.js';
import { tableHead } from '../parts/crumbs.js';
import { tag } from '../parts/labels.js';
import { soon } from '../timing.js';

const LATEST = 8;

/** Functions with their queues, who works on them, and on what. */
export async function systemPage({ signal, follow }) {
  const body = h('div', { class: 'page-part' });
  const load = async () => {
    const system = await get('/v1/system', signal);
    fill(
      body,
      part(
        'Functions and queues',
        'What waits for the engines of which app, in the order in which it is taken',
        functionsTable(queuesInUse(system)),
      ),
      part(
        'Pools',
        'Workers that there are or may be, and what they compute with; a run that none of them can compute is refused',
        poolsTable(system.pools),
      ),
      part(
        'Workers',
        'Processes that took up a job within a day; they stop when there is nothing to do',
        workersTable(system.workers),
      ),
      part(
        'Devices and engines',
        'What gradient steps were taken with; equal engines give equal bits',
        enginesTable(system.engines),
      ),
      part('Streams', 'Messages kept by NATS, and the outbox on their way to it', streamsTable(system)),
    );
  };
  await load();
  const refresh = soon(load, 1000);
  follow('/v1/events', { opened: load, received: ({ type }) => type !== 'run.step' && refresh() });
  return {
    title: 'System',
    element: h('div', { class: 'page' }, h('div', { class: 'page-head' }, h('h1', {}, 'System')), body),
  };
}

function part(title, hint, content) {
  const id = title.toLowerCase().replaceAll(' ', '-');
  return h(
    'section',
    { class: 'card system-part', 'aria-labelledby': id },
    h('header', {}, h('h2', { id }, title), h('p', { class: 'hint' }, hint)),
    content,
  );
}

function table(name, columns, rows, empty) {
  if (rows.length === 0) return h('p', { class: 'chart-empty still' }, empty);
  return h(
    'div',
    { class: 'table-scroll', tabindex: 0, role: 'region', 'aria-label': `${name}: values` },
    h(
      'table',
      { class: 'cards system-table' },
      h('caption', { class: 'visually-hidden' }, name),
      tableHead(columns),
      h(
        'tbody',
        {},
        rows.map(([first, ...cells]) =>
          h(
            'tr',
            {},
            h('th', { scope: 'row' }, first),
            cells.map((cell, index) => h('td', { 'data-label': columns[index + 1] }, cell)),
          ),
        ),
      ),
    ),
  );
}

/** Those of an engine that no pool has are shown where jobs wait in them. */
function queuesInUse({ functions, pools }) {
  const has = ({ app, computedBy }) =>
    computedBy === null || pools.some((pool) => pool.app === app && pool.engines.includes(computedBy));
  return functions.filter((f) => has(f) || f.waiting + f.working + f.chunksDone + f.chunksFailed > 0);
}

function poolsTable(pools) {
  return table(
    'Pools',
    ['Pool', 'App', 'Engines', 'Ranks'],
    pools.map((pool) => [h('b', {}, pool.name), tag(pool.app), pool.engines.join(', '), ranksOf(pool)]),
    'Nothing says which workers there are.',
  );
}

/** `8`, `8 on each of 2 machines, 4 share a sequence`. */
function ranksOf({ ranks, nodes, sequenceRanks }) {
  const machines = nodes === 1 ? '' : ` on each of ${nodes} machines`;
  return `${ranks}${machines}${sequenceRanks === 1 ? '' : `, ${sequenceRanks} share a sequence`}`;
}

function functionsTable(functions) {
  return table(
    'Functions',
    ['Function', 'Taken', 'Waiting', 'Working', 'Oldest', 'Done', 'Failed', 'A chunk takes', 'Limits', 'Scale'],
    functions.map((f) => [
      [
        h('b', {}, f.name),
        h(
          'span',
          { class: 'sub' },
          ` ${f.app} · ${f.computedBy === null ? 'without an engine' : `${f.computedBy}, ${f.device}`}`,
        ),
      ],
      f.engine ? NTH[f.priority] : NONE,
      count(f.waiting, 'attention-now'),
      count(f.working, 'live'),
      f.oldestSeconds > 0 ? duration(f.oldestSeconds) : NONE,
      whole(f.chunksDone),
      count(f.chunksFailed, 'bad'),
      f.meanSeconds === null ? NONE : duration(f.meanSeconds),
      `${duration(f.timeLimitSeconds)}, ${f.maxAttempts} attempts`,
      `${f.scale.min} to ${f.scale.max} workers${f.sequential ? ', one chunk after another' : ''}`,
    ]),
    '',
  );
}

/** Of the jobs that wait for an app's engine. */
const NTH = ['first', 'after the first'];

const count = (value, kind) => (value === 0 ? '0' : h('b', { class: kind }, whole(value)));

function workersTable(workers) {
  const [latest, earlier] = [workers.slice(0, LATEST), workers.slice(LATEST)];
  return [
    workersList('Workers', latest),
    earlier.length > 0 &&
      h(
        'details',
        { class: 'values earlier' },
        h('summary', {}, `${earlier.length} earlier`),
        workersList('Earlier workers', earlier),
      ),
  ];
}

function workersList(name, workers) {
  return table(
    name,
    ['Worker', 'App', 'Now', 'Device', 'Jobs', 'Failed', 'Last job', 'Seen since'],
    workers.map((w) => [
      h('code', {}, w.id),
      w.app === null ? NONE : tag(w.app),
      w.working.length === 0 ? h('span', { class: 'sub' }, 'no job') : w.working.map(heldJob),
      deviceCell(w.device),
      whole(w.jobs),
      count(w.failures, 'bad'),
      h('time', { datetime: w.lastSeen, title: when(w.lastSeen) }, ago(w.lastSeen)),
      h('time', { datetime: w.firstSeen, title: when(w.firstSeen) }, ago(w.firstSeen)),
    ]),
    'No worker has taken up a job within a day.',
  );
}

/** What a worker is at: the job, for which run, since when, and how far it is. */
function heldJob({ kind, engine, runs, chunk, since, progress }) {
  const { phase, done, total, unit } = progress ?? {};
  const doing = phase === undefined ? '' : `, ${phase}`;
  const far =
    done === undefined ? '' : `, ${whole(done)}${total === undefined ? '' : ` of ${whole(total)}`} ${unit ?? ''}`;
  return h(
    'div',
    {},
    h('b', { class: 'live' }, kind),
    h('span', { class: 'sub' }, ` chunk ${chunk}${engine ? ' on the engine' : ''}${doing}${far}, began `),
    h('time', { class: 'sub', datetime: since, title: when(since) }, ago(since)),
    runs.map((run) => [' ', h('a', { href: `#/runs/${run}` }, h('code', {}, run))]),
  );
}

/** The device, its name, what lies there, why it is this one, and the memory settings of its process. */
function deviceCell(device) {
  if (device === null) return h('span', { class: 'sub' }, 'no work yet');
  const { device: kind, name, reason, allocatedBytes, memoryBytes, memorySettings, toldAt } = device;
  const of = memoryBytes === null ? '' : ` of ${megabytes(memoryBytes)}`;
  const held = kind === 'cpu' ? '' : `${megabytes(allocatedBytes)}${of} in use; `;
  return [
    h('b', {}, kind),
    name === null ? '' : ` ${name}`,
    h('span', { class: 'sub device-fact', title: `as of ${when(toldAt)}` }, ` ${held}${reason}`),
    memorySettings === null
      ? ''
      : h(
          'span',
          { class: 'sub device-fact' },
          ` ${memorySettings.replaceAll('glibc.malloc.', '').replaceAll(':', ', ')}`,
        ),
  ];
}

const megabytes = (bytes) => `${whole(Math.round(bytes / 1e6))} MB`;

/** `onnxruntime 1.30.0; cpu float32; threads 1; layout 1; AMD EPYC`; of PyTorch `torch 2.13.0; transformers 5.24.0; peft 0.21.2; cuda bfloat16; ...`. */
function enginesTable(engines) {
  return table(
    'Engines',
    ['Device', 'Processor, GPU', 'Runtime', 'Settings', 'Steps', 'Last used'],
    engines.map(({ fingerprint, steps, lastUsed }) => {
      const [runtime = fingerprint, ...parts] = fingerprint.split('; ');
      const isDevice = (text) => /^(cpu|webgpu|cuda) /.test(text);
      const isSetting = (text) => /^(threads|ranks|layout|graphs|deterministic|transformers|peft)\b/.test(text);
      const rest = parts.filter((text) => !isDevice(text));
      return [
        h('b', {}, parts.find(isDevice) ?? NONE),
        rest.filter((text) => !isSetting(text)).join('; ') || NONE,
        runtime,
        rest.filter(isSetting).join(', ') || NONE,
        whole(steps),
        h('time', { datetime: lastUsed, title: when(lastUsed) }, ago(lastUsed)),
      ];
    }),
    'No gradient step was taken yet.',
  );
}

function streamsTable({ streams, outbox }) {
  return table(
    'Streams',
    ['Stream', 'Messages', 'Size', 'Full'],
    [
      ...streams.map(({ name, messages, bytes, maxBytes }) => [
        name,
        whole(messages),
        `${(bytes / 2 ** 20).toFixed(1)} of ${(maxBytes / 2 ** 20).toFixed(0)} MiB`,
        percent(bytes / maxBytes),
      ]),
      [
        'outbox',
        whole(outbox.unpublished),
        outbox.unpublished === 0 ? NONE : `oldest ${duration(outbox.oldestSeconds)}`,
        NONE,
      ],
    ],
    '',
  );
}
