import { Metrics } from '@solopo/platform';
import { expect, it } from 'vitest';
import { engineMetrics } from './engine.metrics.ts';

it('adds up tasks, tokens, and seconds by graph and device', async () => {
  const metrics = new Metrics();
  const { onTask, onActivity } = engineMetrics(metrics, 'trainer');
  onTask?.({ task: 'fingerprint', outcome: 'done', seconds: 1, tokens: 0 });
  onTask?.({ task: 'trainSlice', outcome: 'done', seconds: 2, tokens: 300 });
  onTask?.({ task: 'trainSlice', outcome: 'failed', seconds: 1, tokens: 0 });
  onActivity?.({ device: 'cpu', graphs: { 'block-forward': { runs: 2, seconds: 0.5 } } });
  onActivity?.({
    device: 'cpu',
    graphs: { 'block-forward': { runs: 1, seconds: 0.25 }, 'head-score': { runs: 1, seconds: 1 } },
  });
  const lines = (await metrics.text()).split('\n').filter((line) => /^solopo_engine.*(_total|_count)/.test(line));
  expect(lines).toEqual([
    'solopo_engine_task_seconds_count{app="trainer",task="trainSlice",outcome="done"} 1',
    'solopo_engine_task_seconds_count{app="trainer",task="trainSlice",outcome="failed"} 1',
    'solopo_engine_tokens_total{app="trainer",task="trainSlice"} 300',
    'solopo_engine_graph_seconds_total{app="trainer",graph="block-forward"} 0.75',
    'solopo_engine_graph_seconds_total{app="trainer",graph="head-score"} 1',
    'solopo_engine_graph_runs_total{app="trainer",graph="block-forward"} 3',
    'solopo_engine_graph_runs_total{app="trainer",graph="head-score"} 1',
    'solopo_engine_busy_seconds_total{app="trainer",device="cpu"} 1.75',
  ]);
});
