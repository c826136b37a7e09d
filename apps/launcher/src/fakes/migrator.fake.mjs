// The tables and the queue that the launcher reads, the logins of services, and nothing else.
import { jetstreamManager } from '@nats-io/jetstream';
import pg from 'pg';
import { connectTo } from './nats.mjs';

const database = new pg.Client({ connectionString: process.env.SOLOPO_DATABASE_URL });
await database.connect();
await database.query(`
  create table if not exists outbox (id bigserial, subject text, published_at timestamptz, created_at timestamptz default now());
  create table if not exists happened (id bigserial, what text);
`);
for (const service of ['GATEWAY', 'DATAGEN', 'REWARD', 'TRAINER']) {
  const { username, password } = new URL(process.env[`SOLOPO_${service}_DATABASE_URL`]);
  const { rowCount } = await database.query('select from pg_roles where rolname = $1', [username]);
  await database.query(`${rowCount === 0 ? 'create' : 'alter'} role ${username} login password '${password}'`);
  await database.query(`grant all on all tables in schema public to ${username}`);
  await database.query(`grant all on all sequences in schema public to ${username}`);
}
await database.end();

const nats = await connectTo(process.env.SOLOPO_NATS_URL);
const manager = await jetstreamManager(nats);
await manager.streams.add({ name: 'WORK', subjects: ['jobs.>'], retention: 'workqueue' });
for (const subject of ['jobs.datagen.compose', 'jobs.trainer.train']) {
  await manager.consumers.add('WORK', {
    durable_name: subject.split('.').slice(1).join('-'),
    filter_subject: subject,
    ack_policy: 'explicit',
    ack_wait: 1e9,
  });
}
await manager.streams.add({ name: 'WANTED', subjects: ['wanted.*'], max_age: 5e9, max_msgs_per_subject: 1 });
await manager.consumers.add('WANTED', {
  durable_name: 'wanted-reward',
  filter_subject: 'wanted.reward',
  ack_policy: 'explicit',
});
await nats.close();
