import type { EngineListeners } from '@solopo/engine';
import type { Metrics } from '@solopo/platform';

/** What the numeric engine of this process did. */
export function engineMetrics(metrics: Metrics, app: string): Pick<EngineListeners, 'onTask' | 'onActivity'> {
  const seconds = metrics.histogram({
    name: 'solopo_engine_task_seconds',
    help: 'Tasks of the numeric engine, by outcome',
    labels: ['app', 'task', 'outcome'],
  });
  const tokens = metrics.counter({
    name: 'solopo_engine_tokens_total',
    help: 'Tokens that models ran or drew, padding not counted',
    labels: ['app', 'task'],
  });
  const graphSeconds = metrics.counter({
    name: 'solopo_engine_graph_seconds_total',
    help: 'Seconds in session.run, by graph; the first run of a graph makes its session',
    labels: ['app', 'graph'],
  });
  const graphRuns = metrics.counter({
    name: 'solopo_engine_graph_runs_total',
    help: 'Calls of session.run, by graph',
    labels: ['app', 'graph'],
  });
  const busy = metrics.counter({
    name: 'solopo_engine_busy_seconds_total',
    help: 'Seconds in which the device computed: its rate is the share of time that it is busy',
    labels: ['app', 'device'],
  });
  return {
    onTask: ({ task, outcome, seconds: spent, tokens: count }) => {
      if (task === 'fingerprint') return;
      seconds.observe({ app, task, outcome }, spent);
      tokens.inc({ app, task }, count);
    },
    onActivity: ({ device, graphs }) => {
      busy.inc({ app, device }, 0);
      for (const [graph, { runs, seconds: spent }] of Object.entries(graphs)) {
        graphRuns.inc({ app, graph }, runs);
        graphSeconds.inc({ app, graph }, spent);
        busy.inc({ app, device }, spent);
      }
    },
  };
}
