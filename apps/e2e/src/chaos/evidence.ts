import type pg from 'pg';

/** What no two runs have in common: when, and the names of the run and of what is its alone. */
const OWN = ['created_at', 'recorded', 'run', 'stage', 'phase_seconds'];

export const OF_STAGES = [
  'stage_contexts',
  'samples',
  'judgements',
  'pairs',
  'pair_refusals',
  'scores',
  'alignment_slices',
  'alignment_metrics',
  'evaluations',
] as const;
export const OF_RUNS = ['steps', 'checkpoints', 'policy_versions'] as const;

/** Of all rows of a run in a table, for each of its stages: how many there are, and their digest. */
export type Evidence = Readonly<Record<string, string>>;

/** Equal for two runs of one configuration, wherever they ran. */
export async function evidenceOf(pool: pg.Pool, run: string): Promise<Evidence> {
  const ofStages = OF_STAGES.map((table) => {
    // The digest of an alignment covers its run.
    const own = table === 'alignment_metrics' ? [...OWN, 'digest'] : OWN;
    return `select '${table} of ' || s.label as name, ${digestOfRows(own)} from run_stages s join ${table} t on t.stage = s.stage
      where s.run = $1 group by s.label`;
  });
  const ofRuns = OF_RUNS.map(
    (table) => `select '${table}' as name, ${digestOfRows(OWN)} from ${table} t where t.run = $1`,
  );
  const { rows } = await pool.query<{ name: string; rows: string; digest: string | null }>(
    [...ofStages, ...ofRuns].join(' union all '),
    [run],
  );
  return Object.fromEntries(rows.map(({ name, rows: count, digest }) => [name, `${count} rows, ${digest}`]));
}

/** Texts that all runs share, by their digests. */
export async function contextsOf(pool: pg.Pool): Promise<string> {
  const { rows } = await pool.query<{ rows: string; digest: string | null }>(
    `select ${digestOfRows(OWN)} from contexts t`,
  );
  return `${rows[0]?.rows} rows, ${rows[0]?.digest}`;
}

function digestOfRows(own: readonly string[]): string {
  const row = `(to_jsonb(t) - '{${own.join(',')}}'::text[])::text`;
  return `count(*)::text as rows, md5(string_agg(md5(${row}), '' order by md5(${row}))) as digest`;
}

/** Names of what differs, or is on one side alone. */
export function differences(a: Evidence, b: Evidence): readonly string[] {
  return [...new Set([...Object.keys(a), ...Object.keys(b)])]
    .filter((name) => a[name] !== b[name])
    .map((name) => `${name}: ${a[name] ?? 'none'}, undisturbed ${b[name] ?? 'none'}`);
}

/** A job that a second worker took while the first, which nobody had killed or frozen, was at it. */
export interface Takeover {
  readonly job: string;
  readonly first: string;
  readonly since: Date;
  readonly second: string;
  readonly at: Date;
}

/** Executions that did not come to an end of their own before another worker began the next. */
export async function takeovers(pool: pg.Pool): Promise<readonly Takeover[]> {
  const { rows } = await pool.query<Takeover>(`
    select a.job, a.worker as first, a.started_at as since, b.worker as second, b.started_at as at
    from attempts a join attempts b on b.job = a.job and b.attempt = a.attempt + 1
    where a.worker <> b.worker and coalesce(a.outcome, 'lost') in ('lost', 'lease-lost', 'already-done', 'completed', 'continued')
    order by a.started_at`);
  return rows;
}

/** Jobs with effects of more than one execution. */
export async function doneTwice(pool: pg.Pool): Promise<readonly string[]> {
  const { rows } = await pool.query<{ job: string }>(`
    select job from attempts where outcome in ('completed', 'continued') group by job having count(*) > 1`);
  return rows.map(({ job }) => job);
}
