// Every operation of the OpenAPI document, asked nearly right and then wrong.
import { request as ask } from 'node:http';
import { problemSchema } from '@solopo/contracts';
import fc from 'fast-check';
import { z } from 'zod';
import { API_CONTROLLERS } from '../../apps/gateway/dist/gateway.module.js';
import { routesOf } from '../../apps/gateway/dist/openapi/routes.js';
import { checkBatch } from './check.mjs';
import { Violation } from './faults.mjs';
import { byteEdits, editBytes, editValue, hostileText, hostileValue, jsonOf, valueEdits } from './mutations.mjs';
import { nearSchema } from './near-schema.mjs';
import { KindReport, tasksOf } from './report.mjs';

const BATCH = 100;
const LIMIT_MS = 20_000;
/** Of the gateway's resident memory, for each 10,000 cases: its allocator keeps some of what it once had. */
const GROWTH_BYTES = 150e6;
/** What the API calls its own way of saying that it cannot now. */
const DOCUMENTED = new Set([503, 507]);
const OPEN_ENDED = 'text/event-stream';

const TYPES = [
  'application/json',
  'application/json; charset=utf-16',
  'text/plain',
  'application/x-ndjson',
  'multipart/form-data; boundary=x',
  'multipart/form-data',
  'application/x-www-form-urlencoded',
  'application/octet-stream',
  'nonsense',
  '',
  'application/json; charset=nonsense',
];
const PATHS = [
  '/v1',
  '/v1/',
  '/v1/nothing',
  '/v1/runs/%',
  '/v1/runs/%00',
  '/v1/runs/%ff%fe',
  '/v1/runs//',
  '/v1/../..',
  '/v1/runs/..%2f..%2fetc%2fpasswd',
  '/%2e%2e/%2e%2e/etc/passwd',
  '/..%5c..%5cetc',
  '/assets/../../package.json',
  '/assets/%2e%2e/%2e%2e/package.json',
  '/index.html',
  '/healthz',
  '/readyz',
  '/metrics',
  '/?%',
  '/v1/runs?limit[]=1',
  '/v1/runs?limit[a][b][c]=1',
  '/v1/runs?__proto__[x]=1',
  `/v1/runs/${'a'.repeat(9000)}`,
  `/${'a/'.repeat(4000)}`,
];
const METHODS = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'HEAD', 'OPTIONS'];

/** Of a text in an address: Node takes 16 KiB of it all. */
const MOST_BYTES = 1000;

/** Percent-encoded, also what has no code of its own. */
function encoded(text) {
  return Buffer.from(text, 'utf8')
    .subarray(0, MOST_BYTES)
    .reduce(
      (path, byte) =>
        path +
        (/[\w.~-]/.test(String.fromCharCode(byte))
          ? String.fromCharCode(byte)
          : `%${byte.toString(16).padStart(2, '0')}`),
      '',
    );
}

/** Requests of all operations, and of paths that are none. */
export function requests(document, known, samples) {
  const resolve = (reference) => document.components.schemas[reference.split('/').at(-1)];
  const operations = Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) =>
      ofOperation({ path, method, operation, resolve, known, samples }),
    ),
  );
  const strange = fc.record({
    method: fc.constantFrom(...METHODS),
    path: fc.oneof(
      fc.constantFrom(...PATHS),
      hostileText.map((text) => `/v1/${encoded(text)}`),
    ),
    operation: fc.constant(null),
    headers: fc.constant({}),
    body: fc.constant(null),
  });
  return fc.oneof({ weight: operations.length, arbitrary: fc.oneof(...operations) }, { weight: 3, arbitrary: strange });
}

function ofOperation({ path, method, operation, resolve, known, samples }) {
  const parameters = operation.parameters ?? [];
  const near = (schema) => nearSchema(schema, resolve, known).map((value) => String(value));
  const values = (place) =>
    Object.fromEntries(
      parameters
        .filter((each) => each.in === place)
        .map(({ name, schema }) => [
          name,
          fc.oneof({ weight: 4, arbitrary: near(schema) }, { weight: 1, arbitrary: hostileText }),
        ]),
    );
  const [type, { schema } = {}] = Object.entries(operation.requestBody?.content ?? {})[0] ?? [];
  return fc
    .record({
      place: fc.record(
        mapped(values('path'), (inner) =>
          fc.oneof({ weight: 4, arbitrary: fc.constantFrom(...known) }, { weight: 1, arbitrary: inner }),
        ),
      ),
      query: fc.record(values('query'), {
        requiredKeys: parameters.filter((each) => each.in === 'query' && each.required).map(({ name }) => name),
      }),
      strayQuery: fc.option(fc.tuple(hostileText, hostileText), { freq: 8 }),
      headers: fc.record(values('header'), { requiredKeys: [] }),
      authorization: fc.option(
        fc.constantFrom('Bearer x', 'Bearer', 'Basic eDp5', `Bearer ${'a'.repeat(5000)}`, 'Bearer \u00ff'),
        { freq: 10 },
      ),
      type: fc.oneof(
        { weight: 6, arbitrary: fc.constant(type ?? '') },
        { weight: 1, arbitrary: fc.constantFrom(...TYPES) },
      ),
      body:
        type === undefined
          ? fc.option(fc.constant(Buffer.from('{"x":1}')), { freq: 20 })
          : bodyOf(type, schema, resolve, known, samples),
    })
    .map(({ place, query, strayQuery, headers, authorization, type: sent, body }) => {
      const pairs = [...Object.entries(query), ...(strayQuery === null ? [] : [strayQuery])];
      const search = pairs.map(([name, value]) => `${encoded(name)}=${encoded(value)}`).join('&');
      return {
        method: method.toUpperCase(),
        path:
          path.replace(/\{(\w+)\}/g, (_, name) => encoded(place[name]) || '%20') + (search === '' ? '' : `?${search}`),
        operation: operation.operationId,
        headers: {
          ...mapped(headers, (value) => value.replace(/[^\x20-\x7e]/g, '?')),
          ...(authorization === null ? {} : { authorization }),
          ...(sent === '' || body === null ? {} : { 'content-type': sent }),
          ...(body === null ? {} : { 'content-length': body.length }),
        },
        body,
      };
    });
}

const mapped = (record, change) =>
  Object.fromEntries(Object.entries(record).map(([key, value]) => [key, change(value)]));

function bodyOf(type, schema, resolve, known, samples) {
  const raw = fc.oneof(
    fc
      .constantFrom(
        '',
        '{',
        '[',
        'null',
        '1',
        '"x"',
        '{"a":1}{"b":2}',
        '{"__proto__":{"x":1}}',
        '[[[[',
        '\ufeff{}',
        '--x\r\ncontent-disposition: form-data; name="file"; filename="../../x"\r\n\r\n1\r\n--x--',
      )
      .map((text) => Buffer.from(text)),
    fc.uint8Array({ maxLength: 60 }).map((bytes) => Buffer.from(bytes)),
  );
  const good = (samples[type] ?? []).map((sample) => Buffer.from(sample));
  if (type !== 'application/json')
    return fc.oneof(
      raw,
      fc
        .record({ sample: fc.constantFrom(...good), edits: byteEdits })
        .map(({ sample, edits }) => editBytes(sample, edits)),
    );
  const value = fc.oneof(
    nearSchema(schema, resolve, known),
    fc.constantFrom(...good.map((sample) => JSON.parse(sample.toString('utf8')))),
  );
  const json = fc.oneof(
    { weight: 2, arbitrary: value },
    {
      weight: 4,
      arbitrary: fc.record({ value, edits: valueEdits }).map((edited) => editValue(edited.value, edited.edits)),
    },
    { weight: 1, arbitrary: hostileValue },
  );
  const bytes = json.map((made) => Buffer.from(jsonOf(made)));
  return fc.oneof(
    { weight: 6, arbitrary: bytes },
    { weight: 1, arbitrary: fc.record({ bytes, edits: byteEdits }).map((made) => editBytes(made.bytes, made.edits)) },
    { weight: 1, arbitrary: raw },
  );
}

/** Runs cases against the gateway of a system, one after another. */
export async function runRoutes(fuzzed, wanted, { seed }) {
  const document = await (await fetch(`${fuzzed.url}/v1/openapi.json`)).json();
  const answers = new Map(routesOf(API_CONTROLLERS).map(({ operation }) => [operation.id, operation.answer]));
  const arbitrary = requests(document, fuzzed.known, samplesOf(fuzzed));
  const report = new KindReport('routes');
  const known = new Set();
  for (const task of tasksOf(wanted, seed, BATCH)) {
    const done = await checkBatch(task, arbitrary, (request) => runRequest(fuzzed, request, answers), known);
    for (const path of fuzzed.strangers())
      done.faults.push({ name: 'stray file', message: path, place: '', seed: task.seed });
    const rssBytes = fuzzed.isAlive('gateway') ? fuzzed.rssBytes('gateway') : 0;
    report.add({ ...done, heapBytes: rssBytes, rssBytes });
  }
  report.end(GROWTH_BYTES);
  return report;
}

function samplesOf({ files }) {
  const run = { name: 'r', model: 'tiny', dataset: 'questions', contexts: { long: { documents: 4 } } };
  const example = { id: 'e', question: 'Who?', answers: ['Ada'], documents: [{ text: 'Ada.', relevant: true }] };
  return {
    'application/json': [
      JSON.stringify(run),
      JSON.stringify({ name: 'm', files }),
      JSON.stringify({ name: 't', scopes: ['read'] }),
    ],
    'application/x-ndjson': [`${JSON.stringify(example)}\n`, JSON.stringify([example])],
    'application/octet-stream': ['bytes', JSON.stringify(example)],
  };
}

async function runRequest(fuzzed, request, answers) {
  const answer = await answerTo(fuzzed.url, request).catch(async (error) => {
    if (fuzzed.isAlive('gateway')) throw error;
    const said = fuzzed.said();
    await fuzzed.system.startGateway();
    throw new Violation('death', `the gateway ended: ${said}`);
  });
  checkAnswer(request, answer, answers);
  return String(answer.status);
}

/** The status, headers and body; of a stream without an end, its beginning. */
function answerTo(url, { method, path, headers, body }) {
  return new Promise((resolve, reject) => {
    const sent = ask(`${url}/`, { method, path, headers, agent: false, timeout: LIMIT_MS, insecureHTTPParser: false });
    const limit = setTimeout(() => sent.destroy(new Violation('hang', `no answer in ${LIMIT_MS} ms`)), LIMIT_MS);
    const end = (settle, value) => {
      clearTimeout(limit);
      settle(value);
    };
    sent.on('error', (error) =>
      end(
        reject,
        error instanceof Violation ? error : new Violation('broken connection', String(error.code ?? error.message)),
      ),
    );
    sent.on('response', (response) => {
      const { statusCode: status, headers: told } = response;
      const chunks = [];
      const done = () => end(resolve, { status, headers: told, body: Buffer.concat(chunks) });
      if (String(told['content-type']).startsWith(OPEN_ENDED) && status === 200) {
        done();
        sent.destroy();
        return;
      }
      response.on('data', (chunk) => chunks.push(chunk));
      response.on('end', done);
      response.on('error', (error) => end(reject, new Violation('broken answer', error.message)));
    });
    sent.end(body ?? undefined);
  });
}

function checkAnswer({ method, operation }, { status, headers, body }, answers) {
  const type = String(headers['content-type'] ?? '');
  const told = body.subarray(0, 400).toString('utf8');
  if (status >= 500 && !DOCUMENTED.has(status)) throw new Violation(`status ${status}`, `${operation}: ${told}`);
  if (status >= 400 && operation !== null && method !== 'HEAD') checkProblem(status, type, body, told);
  const answer = answers.get(operation);
  if (status < 300 && answer instanceof z.ZodType) {
    const { error } = answer.safeParse(JSON.parse(body.toString('utf8')));
    if (error)
      throw new Violation(
        'answer',
        `${operation} answers otherwise than its document says: ${error.message.slice(0, 200)}`,
      );
  }
}

function checkProblem(status, type, body, told) {
  if (!type.startsWith('application/problem+json'))
    throw new Violation('error shape', `${status} of type ${type}: ${told}`);
  const { data, error } = problemSchema.safeParse(JSON.parse(body.toString('utf8')));
  if (error || data.status !== status || data.detail.length === 0)
    throw new Violation('error shape', `${status}: ${told}`);
  if (body.length > 200_000) throw new Violation('error size', `${status} with ${body.length} bytes`);
}
