// The tables and the queue that the launcher reads, and nothing else.
import { jetstreamManager } from '@nats-io/jetstream';
import { connect } from '@nats-io/transport-node';
import pg from 'pg';

const database = new pg.Client({ connectionString: process.env.SOLOPO_DATABASE_URL });
await database.connect();
await database.query(`
  create table if not exists outbox (id bigserial, subject text, published_at timestamptz, created_at timestamptz default now());
  create table if not exists happened (id bigserial, what text);
`);
await database.end();

const nats = await connect({ servers: process.env.SOLOPO_NATS_URL });
const manager = await jetstreamManager(nats);
await manager.streams.add({ name: 'jobs', subjects: ['jobs.>'], retention: 'workqueue' });
for (const subject of ['jobs.datagen.compose', 'jobs.trainer.train']) {
  await manager.consumers.add('jobs', {
    durable_name: subject.replaceAll('.', '-'),
    filter_subject: subject,
    ack_policy: 'explicit',
    ack_wait: 1e9,
  });
}
await manager.streams.add({ name: 'wishes', subjects: ['wanted.*'], max_age: 5e9, max_msgs_per_subject: 1 });
await manager.consumers.add('wishes', {
  durable_name: 'wanted-datagen',
  filter_subject: 'wanted.datagen',
  ack_policy: 'explicit',
});
await nats.close();
