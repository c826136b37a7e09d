import { recordSpan, SpanKind } from '@solopo/tracing';
import type { Metrics } from './metrics.service.ts';

export interface Query {
  readonly statement: string;
  readonly seconds: number;
  readonly error?: unknown;
}

export interface PooledConnections {
  readonly connections: { readonly busy: number; readonly idle: number; readonly waiting: number };
}

const OPERATIONS = new Set(['select', 'insert', 'update', 'delete', 'begin', 'commit', 'rollback']);
const BUCKETS = [0.001, 0.005, 0.02, 0.1, 0.5, 2, 10];

/** The ledger's `onQuery`: measured and, as part of a trace, told. */
export function queryMetrics(metrics: Metrics): (query: Query) => void {
  const histogram = metrics.histogram({
    name: 'solopo_ledger_query_seconds',
    help: 'SQL statements by operation, waiting for a connection not counted',
    labels: ['operation'],
    buckets: BUCKETS,
  });
  return ({ statement, seconds, error }) => {
    const operation = operationOf(statement);
    histogram.observe({ operation }, seconds);
    recordSpan(`SQL ${operation}`, {
      kind: SpanKind.CLIENT,
      attributes: { 'db.system.name': 'postgresql', 'db.operation.name': operation, 'db.query.text': statement },
      seconds,
      error,
    });
  };
}

export function connectionMetrics(metrics: Metrics, pool: PooledConnections): void {
  const gauge = metrics.gauge({
    name: 'solopo_ledger_connections',
    help: 'Connections to Postgres that are busy or idle, and queries that wait for one',
    labels: ['state'],
  });
  metrics.source({
    name: 'connections',
    gauges: [gauge],
    read: () => {
      for (const [state, count] of Object.entries(pool.connections)) gauge.set({ state }, count);
    },
  });
}

function operationOf(statement: string): string {
  const word = /^\s*(\w+)/.exec(statement)?.[1]?.toLowerCase() ?? '';
  return OPERATIONS.has(word) ? word : 'other';
}
