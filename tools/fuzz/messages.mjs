// Messages of the bus: jobs, questions and events, nearly right and then wrong. Jobs come to an end, questions have an answer, and
// whoever hears them lives.
import { jetstreamManager } from '@nats-io/jetstream';
import { headers as natsHeaders } from '@nats-io/transport-node';
import { connectNats, eventSubject, WORK } from '@solopo/bus';
import { eventSchema, inspectRequestSchema, jobSchema } from '@solopo/contracts';
import { queuesOfApp } from '@solopo/functions';
import fc from 'fast-check';
import { z } from 'zod';
import { checkBatch } from './check.mjs';
import { Violation } from './faults.mjs';
import { byteEdits, editBytes, editValue, hostileText, jsonOf, valueEdits } from './mutations.mjs';
import { nearSchema } from './near-schema.mjs';
import { KindReport, tasksOf } from './report.mjs';

const BATCH = 50;
const WORKERS = ['datagen', 'reward', 'trainer'];
const QUESTIONS = {
  'reward.score': z.object({ model: z.string(), prompt: z.string(), responses: z.array(z.string()) }),
  'reward.inspect': inspectRequestSchema,
};
const DRAIN_MS = 20_000;
const ANSWER_MS = 20_000;
const STARTING_MS = 60_000;
const LOOK_MS = 20;
const GROWTH_BYTES = 150e6;

/** Bytes of a message near a schema. */
function payloads(schema, known) {
  const root = z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' });
  const value = nearSchema(root, () => root, known);
  const edited = fc.record({ value, edits: valueEdits }).map((made) => editValue(made.value, made.edits));
  const json = fc.oneof(value, edited).map((made) => Buffer.from(jsonOf(made)));
  return fc.oneof(
    { weight: 5, arbitrary: json },
    { weight: 1, arbitrary: fc.record({ json, edits: byteEdits }).map((made) => editBytes(made.json, made.edits)) },
    { weight: 1, arbitrary: fc.uint8Array({ maxLength: 60 }).map((bytes) => Buffer.from(bytes)) },
    { weight: 1, arbitrary: hostileText.map((text) => Buffer.from(text)) },
  );
}

function messages({ known, stages, run }) {
  const subjects = WORKERS.flatMap((app) => queuesOfApp(app, ['onnx']).map(({ subject }) => subject));
  const job = fc.record({
    kind: fc.constant('job'),
    subject: fc.constantFrom(...subjects),
    payload: payloads(jobSchema, [...known, ...stages]),
    trace: fc.option(
      fc.constantFrom('00-nonsense', '', `00-${'0'.repeat(32)}-${'0'.repeat(16)}-01`, 'a'.repeat(2000)),
      { freq: 4 },
    ),
  });
  const event = fc.record({
    kind: fc.constant('event'),
    subject: fc.constantFrom(eventSubject(run), eventSubject('none'), eventSubject('*x')),
    payload: payloads(eventSchema, known),
    trace: fc.constant(null),
  });
  const question = fc.constantFrom(...Object.keys(QUESTIONS)).chain((subject) => {
    const inner = payloads(QUESTIONS[subject], known);
    const wrapped = inner.map((bytes) =>
      Buffer.concat([Buffer.from(`{"pattern":"${subject}","id":"1","data":`), bytes, Buffer.from('}')]),
    );
    return fc.record({
      kind: fc.constant('question'),
      subject: fc.constant(subject),
      payload: fc.oneof(wrapped, inner),
      trace: fc.constant(null),
    });
  });
  return fc.oneof({ weight: 5, arbitrary: job }, { weight: 2, arbitrary: event }, { weight: 2, arbitrary: question });
}

/** Publishes cases one by one; a job's end is waited for, so that a fault has its message. */
export async function runMessages(fuzzed, wanted, { seed }) {
  fuzzed.system.startWorkers(...WORKERS);
  const connection = await connectNats(fuzzed.system.nats.url, 'fuzz');
  try {
    const manager = await jetstreamManager(connection);
    await heardOf(connection);
    const arbitrary = messages(fuzzed);
    const report = new KindReport('messages');
    const known = new Set();
    for (const task of tasksOf(wanted, seed, BATCH)) {
      // Smaller ones would each be waited for as long.
      const whole = { ...task, endOnFailure: true };
      const done = await checkBatch(
        whole,
        arbitrary,
        (message) => runMessage(fuzzed, connection, manager, message),
        known,
      );
      done.faults.push(...(await eventsFault(fuzzed, connection)).map((fault) => ({ ...fault, seed: task.seed })));
      const rssBytes = WORKERS.reduce((sum, worker) => sum + (fuzzed.isAlive(worker) ? fuzzed.rssBytes(worker) : 0), 0);
      report.add({ ...done, heapBytes: rssBytes, rssBytes });
    }
    report.end(GROWTH_BYTES);
    return report;
  } finally {
    await connection.close();
  }
}

/** Workers answer once they are up. */
async function heardOf(connection) {
  const question = JSON.stringify({ pattern: 'reward.inspect', id: '1', data: null });
  for (const until = performance.now() + STARTING_MS; performance.now() < until; await pause()) {
    const answer = await connection.request('reward.inspect', question, { timeout: ANSWER_MS }).catch(() => undefined);
    if (answer !== undefined) return;
  }
  throw new Error(`The workers do not start in ${STARTING_MS / 1000} s.`);
}

const pause = () => new Promise((resolve) => setTimeout(resolve, LOOK_MS));

async function runMessage(fuzzed, connection, manager, message) {
  const outcome = await { job: runJob, event: runEvent, question: runQuestion }
    [message.kind](connection, manager, message)
    .catch((error) => {
      if (allAlive(fuzzed)) throw error;
      return 'death';
    });
  if (allAlive(fuzzed)) return outcome;
  const dead = WORKERS.filter((worker) => !fuzzed.isAlive(worker));
  const said = fuzzed.said();
  for (const worker of dead) fuzzed.system.startWorker(worker);
  if (!fuzzed.isAlive('gateway')) await fuzzed.system.startGateway();
  throw new Violation('death', `${dead.join(', ') || 'gateway'} ended: ${said}`);
}

const allAlive = (fuzzed) => [...WORKERS, 'gateway'].every((service) => fuzzed.isAlive(service));

async function runJob(connection, manager, { subject, payload, trace }) {
  const headers = natsHeaders();
  if (trace !== null) headers.set('traceparent', trace);
  const { seq } = JSON.parse((await connection.request(subject, payload, { headers, timeout: ANSWER_MS })).string());
  for (const until = performance.now() + DRAIN_MS; performance.now() < until;) {
    const { state } = await manager.streams.info(WORK);
    if (state.messages === 0 || state.first_seq > seq) return 'job ended';
    await pause();
  }
  await manager.streams.deleteMessage(WORK, seq);
  throw new Violation('job without end', `${subject} still has it after ${DRAIN_MS} ms`);
}

async function runEvent(connection, _, { subject, payload }) {
  connection.publish(subject.replace('*', ''), payload);
  await connection.flush();
  return 'event heard';
}

async function runQuestion(connection, _, { subject, payload }) {
  if (!isQuestion(payload)) {
    connection.publish(subject, payload);
    await connection.flush();
    return 'no question';
  }
  const answer = await connection.request(subject, payload, { timeout: ANSWER_MS }).catch(() => undefined);
  if (answer === undefined) throw new Violation('no answer', `${subject} answers nothing in ${ANSWER_MS} ms`);
  return 'answered';
}

/** What a client of Nest's transport sends has an id: only that is answered. */
function isQuestion(payload) {
  try {
    const { id, pattern } = JSON.parse(payload.toString('utf8'));
    return typeof id === 'string' && typeof pattern === 'string';
  } catch {
    return false;
  }
}

/** Behind whatever came, an event that is one is still heard of. */
async function eventsFault(fuzzed, connection) {
  const at = new Date().toISOString();
  connection.publish(eventSubject(fuzzed.run), JSON.stringify({ type: 'run.warning', run: fuzzed.run, at, data: {} }));
  for (const until = performance.now() + ANSWER_MS; performance.now() < until;) {
    const recent = await (await fetch(`${fuzzed.url}/v1/events/recent?limit=5`)).json();
    if (recent.some((event) => event.at === at)) return [];
    await pause();
  }
  return [{ name: 'deaf', message: 'an event behind malformed ones is not heard of', place: '' }];
}
