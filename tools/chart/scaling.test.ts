import { jetstream, jetstreamManager } from '@nats-io/jetstream';
import { connectNats, provisionStreams, WANTED, wantingWorker, type NatsConnection } from '@solopo/bus';
import { startNats, type TestNats } from '@solopo/testing';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { manifests, needTools } from './chart.ts';

interface Trigger {
  readonly type: string;
  readonly metadata: { readonly account: string; readonly stream: string; readonly consumer: string };
}

interface Jsz {
  readonly account_details: readonly {
    readonly name: string;
    readonly stream_detail?: readonly {
      readonly name: string;
      readonly consumer_detail?: readonly {
        readonly name: string;
        readonly num_pending: number;
        readonly num_ack_pending: number;
      }[];
    }[];
  }[];
}

let server: TestNats | undefined;
let connection: NatsConnection;

beforeEach(async (context) => {
  needTools(context);
  server = await startNats();
  connection = await connectNats(server.url, 'test');
  await provisionStreams(connection);
});

afterEach(async () => {
  await connection?.close();
  await server?.stop();
  server = undefined;
});

/** The pools that KEDA would have pods for: it reads the monitoring endpoint of the server, and adds what waits and what is unacknowledged. */
async function wanted(): Promise<readonly string[]> {
  const { account_details } = (await (
    await fetch(`${server!.monitorUrl}/jsz?consumers=true&config=true`)
  ).json()) as Jsz;
  const lagOf = ({ metadata: { account, stream, consumer } }: Trigger): number => {
    const found = account_details
      .find(({ name }) => name === account)
      ?.stream_detail?.find(({ name }) => name === stream)
      ?.consumer_detail?.find(({ name }) => name === consumer);
    if (found === undefined) throw new Error(`${account}/${stream}/${consumer} is not there`);
    return found.num_pending + found.num_ack_pending;
  };
  return manifests(['--set', 'autoscaling.enabled=true'])
    .filter(({ kind }) => kind === 'ScaledObject')
    .filter(({ spec }) => (spec as { triggers: readonly Trigger[] }).triggers.map(lagOf).some((lag) => lag > 0))
    .map(({ metadata: { name } }) => name.replace('test-solopo-', ''));
}

describe('the scalers of the chart, over the streams that the migrator makes', () => {
  it('start the pool whose job waits', async () => {
    expect(await wanted()).toEqual([]);
    await jetstream(connection).publish('jobs.datagen.compose', '{}');
    expect(await wanted()).toEqual(['datagen']);
  });

  it('start a reward worker for who waits for its answer, and let it go when nobody waits any more', async () => {
    const answer = Promise.withResolvers<undefined>();
    const waiting = wantingWorker(connection, 'reward', () => answer.promise);
    await expect.poll(wanted, { timeout: 10_000 }).toEqual(['reward']);
    answer.resolve(undefined);
    await waiting;
    // What would take twenty seconds: the wish is old.
    const manager = await jetstreamManager(connection);
    const { config } = await manager.streams.info(WANTED);
    const short = 200 * 1e6;
    await manager.streams.update(WANTED, { ...config, max_age: short, duplicate_window: short });
    await expect.poll(wanted, { timeout: 10_000 }).toEqual([]);
  });
});
