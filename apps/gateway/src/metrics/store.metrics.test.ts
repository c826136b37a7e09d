import { waitFor } from '@solopo/testing';
import request from 'supertest';
import { expect, it } from 'vitest';
import { useGateway } from '../testing/gateway.fixture.ts';

const gateway = useGateway();
const scrape = async (): Promise<string> => (await request(gateway.url).get('/metrics').expect(200)).text;

it('what waits in the outbox and on the queues, and who was given up, is told by the gateway', async () => {
  const code = 'engine-failed';
  await gateway.ledger.deadLetters.add({ subject: 'jobs.reward.score', job: {}, reason: 'r', code, attempts: 5 });
  const job = { subject: 'jobs.datagen.sample', messageId: 'a', payload: {} };
  await gateway.ledger.transaction((tx) => tx.outbox.add([job]));
  await waitFor('the job is on its queue', async () =>
    (await scrape()).includes('solopo_queue_messages{app="datagen",subject="jobs.datagen.sample",state="waiting"} 1'),
  );
  const text = await scrape();
  expect(text).toContain('solopo_dead_letters{subject="jobs.reward.score",code="engine-failed"} 1');
  expect(text).toContain('solopo_dead_letters{subject="jobs.trainer.train",code="loss-not-finite"} 0');
  expect(text).toContain('solopo_stream_messages{stream="WORK"} 1');
  expect(text).toMatch(/^solopo_outbox_messages 0$/m);
});

it('with NATS away its figures are missing and say so; those of Postgres stay', async () => {
  await gateway.nats.kill();
  const job = { subject: 'jobs.datagen.sample', messageId: 'b', payload: {} };
  await gateway.ledger.transaction((tx) => tx.outbox.add([job]));
  const text = await scrape();
  expect(text).toContain('solopo_metrics_source_up{source="queues"} 0');
  expect(text).not.toContain('solopo_queue_messages{');
  expect(text).toContain('solopo_metrics_source_up{source="ledger"} 1');
  expect(text).toMatch(/^solopo_outbox_messages 1$/m);
  await gateway.nats.restart();
  await waitFor('the queues are read again', async () =>
    (await scrape()).includes('solopo_metrics_source_up{source="queues"} 1'),
  );
});
