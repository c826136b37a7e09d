import { APPS, type App } from '@solopo/functions';
import { randomBytes } from 'node:crypto';
import { chmod, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ROOT } from './service.plan.ts';

export type NatsUser = App | 'gateway' | 'migrator' | 'launcher';

export interface Permissions {
  readonly publish: readonly string[];
  readonly subscribe: readonly string[];
  readonly respond: boolean;
}

/** As `npm run chart` writes it from the function manifest. */
interface ChartFunctions {
  readonly stream: string;
  readonly apps: Readonly<
    Record<
      App,
      {
        readonly questions: readonly string[];
        readonly wish?: { readonly subject: string };
        readonly functions: readonly { readonly subject: string; readonly consumer: string }[];
      }
    >
  >;
}

const FUNCTIONS_FILE = join(ROOT, 'helm', 'solopo', 'files', 'functions.json');
const INBOX = '_INBOX.>';
/** The streams' limits add up to 257 MiB; without one of its own the server takes a share of what the disk has left now. */
const MAX_FILE_STORE = 512 * 2 ** 20;

/** Who may say and hear what: users of the chart (helm/solopo/templates/_nats-permissions.tpl), and the launcher, which reads queues. */
export async function natsPermissions(): Promise<Readonly<Record<NatsUser, Permissions>>> {
  const { stream, apps } = JSON.parse(await readFile(FUNCTIONS_FILE, 'utf8')) as ChartFunctions;
  const all = APPS.map((app) => apps[app]);
  const outbox = ['events.runs.*', ...all.flatMap(({ functions }) => functions.map(({ subject }) => subject))];
  const workers = Object.fromEntries(
    APPS.map((app): [App, Permissions] => {
      const { functions, questions } = apps[app];
      return [
        app,
        {
          publish: [
            ...outbox,
            ...functions.flatMap(({ subject, consumer }) => [
              `dead.${subject}`,
              `$JS.API.CONSUMER.INFO.${stream}.${consumer}`,
              `$JS.API.CONSUMER.MSG.NEXT.${stream}.${consumer}`,
              `$JS.ACK.${stream}.${consumer}.>`,
            ]),
          ],
          subscribe: [INBOX, ...questions, ...functions.map(({ subject }) => subject)],
          respond: questions.length > 0,
        },
      ];
    }),
  ) as Record<App, Permissions>;
  const gateway = [
    ...outbox,
    '$JS.API.INFO',
    '$JS.API.STREAM.NAMES',
    '$JS.API.STREAM.LIST',
    '$JS.API.STREAM.INFO.*',
    '$JS.API.STREAM.CREATE.*',
    '$JS.API.STREAM.MSG.GET.*',
    '$JS.API.DIRECT.GET.>',
    '$JS.API.CONSUMER.LIST.*',
    '$JS.API.CONSUMER.INFO.*.*',
    '$JS.API.CONSUMER.CREATE.>',
    '$JS.API.CONSUMER.DURABLE.CREATE.>',
    '$JS.API.CONSUMER.DELETE.EVENTS.>',
    '$JS.API.CONSUMER.DELETE.WORK.>',
    '$JS.API.CONSUMER.MSG.NEXT.EVENTS.>',
    ...all.flatMap(({ questions, wish }) => [...questions, ...(wish === undefined ? [] : [wish.subject])]),
  ];
  const asking = { subscribe: [INBOX], respond: false };
  return {
    ...workers,
    gateway: { publish: gateway, ...asking },
    migrator: { publish: ['$JS.API.>'], ...asking },
    launcher: { publish: ['$JS.API.INFO', '$JS.API.STREAM.NAMES', '$JS.API.CONSUMER.LIST.*'], ...asking },
  };
}

/** The users of a nats-server that starts now, each with a password of its own. */
export class NatsUsers {
  private constructor(
    /** For the server. */
    readonly config: string,
    private readonly passwords: ReadonlyMap<NatsUser, string>,
  ) {}

  /** Writes the server's configuration, which only this user of the machine can read, into the data folder. */
  static async make(dataDir: string): Promise<NatsUsers> {
    const permissions = Object.entries(await natsPermissions()) as [NatsUser, Permissions][];
    const passwords = new Map(permissions.map(([user]) => [user, randomBytes(24).toString('hex')]));
    const users = permissions.map(([user, { publish, subscribe, respond }]) => ({
      user,
      password: passwords.get(user),
      permissions: { publish, subscribe, ...(respond && { allow_responses: true }) },
    }));
    const config = join(dataDir, 'nats.conf');
    await mkdir(dataDir, { recursive: true });
    const settings = { jetstream: { max_file_store: MAX_FILE_STORE }, authorization: { users } };
    await writeFile(config, JSON.stringify(settings, null, 2), { mode: 0o600 });
    // A file that is there keeps its mode.
    await chmod(config, 0o600);
    return new NatsUsers(config, passwords);
  }

  /** Where a user finds the server at the address. */
  url(user: NatsUser, address: string): string {
    const url = new URL(address);
    return `${url.protocol}//${user}:${this.passwords.get(user)}@${url.host}`;
  }
}
