import { jetstreamManager, type JetStreamManager } from '@nats-io/jetstream';
import { connect, type NatsConnection } from '@nats-io/transport-node';
import { APPS, FUNCTIONS, queuesOfApp, type App, type EngineKind } from '@solopo/functions';
import pg from 'pg';
import type { Lags } from './scale.policy.ts';

/** On it stands, for a while, that somebody wants an answer of a worker of the app. */
const WISH_OF: ReadonlyMap<string, App> = new Map(APPS.map((app) => [`wanted.${app}`, app]));

/** For a connection to Postgres, and for its answer. */
const LIMIT_MS = 5000;

/** Reads how much work there is for each app: on the work queue, in the outbox when nothing publishes it, and as a wish. */
export class QueueProbe {
  #streams: readonly [work: string, wanted: string] | undefined;

  private constructor(
    private readonly nats: NatsConnection,
    private readonly jetstream: JetStreamManager,
    private readonly database: pg.Pool,
    /** By the subject of a queue that workers take from. */
    private readonly appOf: ReadonlyMap<string, App>,
  ) {}

  static async open(natsUrl: string, databaseUrl: string, engines: readonly EngineKind[]): Promise<QueueProbe> {
    // The client reads no user from an address.
    const { username: user, password: pass, protocol, host } = new URL(natsUrl);
    const nats = await connect({
      servers: `${protocol}//${host}`,
      user,
      pass,
      name: 'launcher',
      maxReconnectAttempts: -1,
    });
    const limits = { connectionTimeoutMillis: LIMIT_MS, query_timeout: LIMIT_MS };
    const database = new pg.Pool({ connectionString: databaseUrl, max: 1, keepAlive: true, ...limits });
    database.on('error', () => undefined);
    const queues = APPS.flatMap((app) => queuesOfApp(app, engines));
    const appOf = new Map(queues.map(({ subject, app }) => [subject, app]));
    return new QueueProbe(nats, await jetstreamManager(nats), database, appOf);
  }

  async read(): Promise<Lags> {
    const lags: Partial<Record<App, number>> = {};
    const add = (subject: string | undefined, jobs: number) => {
      const app = this.appOf.get(subject ?? '');
      if (app !== undefined) lags[app] = (lags[app] ?? 0) + jobs;
    };
    this.#streams ??= [
      await this.jetstream.streams.find(FUNCTIONS.compose.subject),
      await this.jetstream.streams.find('wanted.*'),
    ];
    const [work, wanted] = this.#streams;
    for await (const consumer of this.jetstream.consumers.list(work)) {
      add(consumer.config.filter_subject, consumer.num_pending + consumer.num_ack_pending);
    }
    for (const { subject, jobs } of await this.#stuckInOutbox()) add(subject, jobs);
    for await (const { config, num_pending } of this.jetstream.consumers.list(wanted)) {
      const app = WISH_OF.get(config.filter_subject ?? '');
      if (app !== undefined && num_pending > 0) lags[app] = Math.max(lags[app] ?? 0, 1);
    }
    return lags;
  }

  async close(): Promise<void> {
    await this.nats.close();
    await this.database.end();
  }

  async #stuckInOutbox(): Promise<readonly { subject: string; jobs: number }[]> {
    const { rows } = await this.database.query<{ subject: string; jobs: number }>(
      `select subject, count(*)::int as jobs from outbox
       where published_at is null and created_at < now() - interval '1 second' group by subject`,
    );
    return rows;
  }
}
