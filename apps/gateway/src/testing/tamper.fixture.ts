import pg from 'pg';

const TABLES = [
  'models',
  'datasets',
  'examples',
  'contexts',
  'stage_contexts',
  'samples',
  'judgements',
  'pairs',
  'scores',
  'steps',
  'checkpoints',
  'policy_versions',
  'alignment_metrics',
  'evaluations',
  'runs',
  'stages',
  'run_stages',
];

/** Somebody with all rights in the database, who also cares for what he breaks. */
export class Tamperer {
  readonly #touched = new Set<string>();

  private constructor(private readonly client: pg.Client) {}

  static async connect(databaseUrl: string): Promise<Tamperer> {
    const client = new pg.Client({ connectionString: databaseUrl });
    await client.connect();
    for (const table of TABLES) await client.query(`create table kept_${table} as table ${table}`);
    return new Tamperer(client);
  }

  async change(sql: string): Promise<number> {
    for (const [, table = ''] of sql.matchAll(/\b(?:update|delete from|insert into) (\w+)/g)) this.#touched.add(table);
    return this.#unguarded(async () => {
      const results = [await this.client.query(sql)].flat();
      return results.reduce((sum, { rowCount }) => sum + (rowCount ?? 0), 0);
    });
  }

  async restore(): Promise<void> {
    await this.#unguarded(async () => {
      for (const table of TABLES.filter((name) => this.#touched.has(name))) {
        await this.client.query(`delete from ${table}`);
        await this.client.query(`insert into ${table} overriding system value select * from kept_${table}`);
      }
    });
    this.#touched.clear();
  }

  async close(): Promise<void> {
    for (const table of TABLES) await this.client.query(`drop table kept_${table}`);
    await this.client.end();
  }

  /** Without the triggers that hold evidence and references together. */
  async #unguarded<T>(work: () => Promise<T>): Promise<T> {
    await this.client.query('begin');
    await this.client.query('set local session_replication_role = replica');
    const { rows } = await this.client.query<{ table: string }>(
      `select tgrelid::regclass::text as table from pg_trigger where tgname = 'append_only'`,
    );
    for (const { table } of rows) await this.client.query(`alter table ${table} disable trigger append_only`);
    const result = await work().catch(async (error: unknown) => {
      await this.client.query('rollback');
      throw error;
    });
    for (const { table } of rows) await this.client.query(`alter table ${table} enable always trigger append_only`);
    await this.client.query('commit');
    return result;
  }
}
