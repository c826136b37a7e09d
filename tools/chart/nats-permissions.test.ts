import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { jetstream, jetstreamManager } from '@nats-io/jetstream';
import type { RunEvent } from '@solopo/contracts';
import {
  connectNats,
  consumerName,
  deadLetterSubject,
  EventBus,
  eventSubject,
  EVENTS,
  HeldJobs,
  News,
  provisionStreams,
  pullNow,
  wishSubject,
  WORK,
  type NatsConnection,
} from '@solopo/bus';
import { APPS, FUNCTIONS, functionsOf, QUEUES, queuesOfApp, type App } from '@solopo/functions';
import { startNats, type TestNats } from '@solopo/testing';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ROOT } from '../bootstrap/run.mjs';
import { manifests, needTools } from './chart.ts';

let folder: string;
let server: TestNats | undefined;
let conf: string;
let passwords: ReadonlyMap<string, string>;
const open: NatsConnection[] = [];

beforeEach(async (context) => {
  needTools(context);
  folder = await mkdtemp(join(tmpdir(), 'solopo-chart-nats-'));
  const rendered = manifests();
  const nats = (kind: string) =>
    rendered.find((each) => each.kind === kind && each.metadata.name === 'test-solopo-nats')!;
  const words = nats('Secret')['stringData']['passwords.conf'] as string;
  passwords = new Map([...words.matchAll(/^password_(\w+): (\w+)$/gm)].map(([, app, word]) => [app!, word!]));
  await writeFile(join(folder, 'passwords.conf'), words);
  const text = (nats('ConfigMap')['data']['nats.conf'] as string)
    .replace('$SERVER_NAME', 'test')
    .replace(/^ *store_dir:.*\n/m, '');
  conf = text;
  await writeFile(join(folder, 'nats.conf'), text);
  server = await startNats({ config: join(folder, 'nats.conf') });
  await provisionStreams(await as('migrator'));
});

afterEach(async () => {
  for (const connection of open.splice(0)) await connection.close();
  await server?.stop();
  server = undefined;
  if (folder) await rm(folder, { recursive: true, force: true });
});

interface Permissions {
  readonly publish: readonly string[];
  readonly subscribe: readonly string[];
  readonly respond: boolean;
}

/** The launcher is no library: what it gives its NATS is read by path. */
async function launchersPermissions(): Promise<Readonly<Record<string, Permissions>>> {
  const file = pathToFileURL(join(ROOT, 'apps', 'launcher', 'src', 'nats.users.ts')).href;
  const { natsPermissions } = (await import(file)) as { natsPermissions: () => Promise<Record<string, Permissions>> };
  return natsPermissions();
}

async function as(app: string): Promise<NatsConnection> {
  const connection = await connectNats(`nats://${app}:${passwords.get(app)}@127.0.0.1:${server!.port}`, app);
  open.push(connection);
  return connection;
}

const timeout = 500;
const others = (app: App) => QUEUES.filter((spec) => spec.app !== app);

describe('the users of the bundled NATS', () => {
  it('are one an app, and no stranger', async () => {
    expect([...passwords.keys()].sort()).toEqual([...APPS, 'gateway', 'migrator'].sort());
    await expect(connectNats(server!.url, 'stranger')).rejects.toThrow();
  });

  it('may say and hear what those of the launcher may', async () => {
    const { launcher, ...others } = await launchersPermissions();
    expect(launcher!.publish.every((subject) => subject.startsWith('$JS.API.'))).toBe(true);
    const list = (text = '') => JSON.parse(text.replace(/,?\s*\]$/, ']').replace(/"\s+"/g, '","')) as string[];
    const users = conf.matchAll(
      /user: (\w+)\s+password: \S+\s+permissions: \{\s+publish: (\[[^\]]*\])\s+subscribe: (\[[^\]]*\])\s+(allow_responses: true)?/g,
    );
    const charts = [...users].map(([, user = '', publish, subscribe, respond]) => [
      user,
      { publish: list(publish), subscribe: list(subscribe), respond: respond !== undefined },
    ]);
    expect(others).toEqual(Object.fromEntries(charts));
  });

  it.each(APPS)(
    '%s hears of, takes, acknowledges and buries its own jobs, and publishes what comes next',
    async (app) => {
      const connection = await as(app);
      const client = jetstream(connection, { timeout });
      for (const spec of queuesOfApp(app)) {
        const news = new News(connection, [spec.subject]);
        await client.publish(spec.subject, '{}');
        expect(await news.heardWithin(timeout, new AbortController().signal), spec.subject).toBe(true);
        await client.consumers.get(WORK, consumerName(spec));
        const delivery = await pullNow(connection, consumerName(spec));
        delivery!.working();
        await delivery!.acknowledge();
        await client.publish(deadLetterSubject(spec.subject), '{}');
      }
      for (const spec of others(app)) await client.publish(spec.subject, '{}');
      await client.publish(eventSubject('run'), '{}');
    },
  );

  it.each(APPS)('%s takes no job of another app, buries none, and changes no stream', async (app) => {
    const connection = await as(app);
    const client = jetstream(connection, { timeout });
    for (const spec of others(app)) {
      await expect(client.consumers.get(WORK, consumerName(spec)), spec.subject).rejects.toThrow();
      await expect(client.publish(deadLetterSubject(spec.subject), '{}'), spec.subject).rejects.toThrow();
    }
    const manager = await jetstreamManager(connection, { checkAPI: false, timeout });
    await expect(manager.streams.purge(WORK)).rejects.toThrow();
    await expect(manager.streams.delete(EVENTS)).rejects.toThrow();
    await expect(manager.consumers.delete(WORK, consumerName(functionsOf(app)[0]!))).rejects.toThrow();
  });

  it('the gateway starts jobs, asks for a worker and follows events, but takes no job', async () => {
    const connection = await as('gateway');
    const client = jetstream(connection, { timeout });
    for (const spec of QUEUES) await client.publish(spec.subject, '{}');
    const bus = new EventBus(connection);
    const event = { type: 'run.state', run: 'a', at: new Date().toISOString(), data: { state: 'done' } };
    bus.publish(event as unknown as RunEvent);
    await client.publish(eventSubject('a'), JSON.stringify(event));
    const ended = new AbortController();
    for await (const { sequence } of bus.subscribe({ signal: ended.signal })) {
      expect(sequence).toBe(1);
      break;
    }
    await client.publish(wishSubject('reward'));
    const consumer = await client.consumers.get(WORK, consumerName(FUNCTIONS.train));
    await expect(consumer.next({ expires: 1000 })).rejects.toThrow();
  });

  it('the gateway makes streams and consumers again that are gone, and leaves those that are there', async () => {
    const manager = await jetstreamManager(await as('migrator'));
    await manager.streams.delete(EVENTS);
    await manager.consumers.delete(WORK, consumerName(FUNCTIONS.train));
    const gateway = await as('gateway');
    const options = { missingOnly: true, stream: { max_bytes: 2 ** 20 } };
    const made = (await provisionStreams(gateway, options)).filter(({ change }) => change !== 'unchanged');
    expect(made.map(({ target, change }) => `${change} ${target}`)).toEqual([
      'created stream EVENTS',
      `created consumer ${consumerName(FUNCTIONS.train)}`,
    ]);
    expect((await manager.streams.info(WORK)).config.max_bytes).toBeGreaterThan(2 ** 20);
    const held = new HeldJobs(gateway);
    await jetstream(gateway).publish(FUNCTIONS.train.subject, '{}');
    expect(await held.counts()).toEqual(new Map([[FUNCTIONS.train.subject, 1]]));
    for await (const job of held.of(FUNCTIONS.train.subject)) expect(job).toBe('none: the message is no job');
  });

  it('reward answers questions that the gateway asks', async () => {
    const reward = await as('reward');
    reward.subscribe('reward.score', { callback: (_error, message) => void message.respond('42') });
    await reward.flush();
    const answer = await (await as('gateway')).request('reward.score', '', { timeout: 2000 });
    expect(answer.string()).toBe('42');
  });
});
