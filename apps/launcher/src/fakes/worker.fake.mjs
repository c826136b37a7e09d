// Publishes the outbox and works off one queue; each job takes a moment.
import { jetstream } from '@nats-io/jetstream';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { happened } from './happened.mjs';
import { connectTo } from './nats.mjs';

const nats = await connectTo(process.env.SOLOPO_NATS_URL);
const js = jetstream(nats);
const database = new pg.Client({ connectionString: process.env.SOLOPO_DATABASE_URL });
await database.connect();
await happened('worker started');

let stopping = false;
process.on('SIGTERM', () => (stopping = true));
// Others are only wished for.
const isDatagen = new URL(process.env.SOLOPO_NATS_URL).username === 'datagen';
const consumer = isDatagen ? await js.consumers.get('WORK', 'datagen-compose') : { next: () => sleep(200, null) };
while (!stopping) {
  const { rows } = await database.query(
    'update outbox set published_at = now() where published_at is null returning subject',
  );
  for (const { subject } of rows) await js.publish(subject);
  const job = await consumer.next({ expires: 1000 });
  if (job === null) continue;
  await happened('job done');
  job.ack();
}
await happened('worker stopped');
await database.end();
await nats.close();
