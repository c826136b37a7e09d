import { APPS, type App } from '@solopo/functions';
import { randomBytes } from 'node:crypto';

export type DatabaseUser = App | 'gateway';

const USERS: readonly DatabaseUser[] = ['gateway', ...APPS];

/** The logins of the services at a Postgres that starts now, each with a password of its own, which the migrator gives them. */
export class DatabaseUsers {
  readonly #passwords = new Map(USERS.map((user) => [user, randomBytes(24).toString('hex')]));

  /** @param owner the address of the server, with the login that owns the tables */
  constructor(private readonly owner: string) {}

  url(user: DatabaseUser): string {
    return Object.assign(new URL(this.owner), { username: `solopo_${user}`, password: this.#passwords.get(user) }).href;
  }

  /** For the migrator alone. */
  get all(): NodeJS.ProcessEnv {
    const logins = USERS.map((user): [string, string] => [`SOLOPO_${user.toUpperCase()}_DATABASE_URL`, this.url(user)]);
    return { ...Object.fromEntries(logins), SOLOPO_DATABASE_URL: this.owner };
  }
}
