import type { FunctionSpec } from '@solopo/functions';
import type { Metrics } from '@solopo/platform';
import { JOB_OUTCOMES, type JobReport } from './job.runner.ts';

/** Each subject and outcome is there from the start, at 0: what is first seen at 1 has no increase. */
export function jobMetrics(metrics: Metrics, functions: readonly FunctionSpec[]): (report: JobReport) => void {
  const seconds = metrics.histogram({
    name: 'solopo_job_seconds',
    help: 'Jobs by subject and outcome',
    labels: ['subject', 'outcome'],
  });
  const deliveries = metrics.counter({
    name: 'solopo_job_deliveries_total',
    help: 'Deliveries of jobs that came to an end here, the first of a job or a later one',
    labels: ['subject', 'redelivered'],
  });
  for (const { subject } of functions) {
    for (const outcome of JOB_OUTCOMES) seconds.zero({ subject, outcome });
    for (const redelivered of ['true', 'false']) deliveries.inc({ subject, redelivered }, 0);
  }
  return ({ subject, outcome, delivery, seconds: spent }) => {
    seconds.observe({ subject, outcome }, spent);
    deliveries.inc({ subject, redelivered: String(delivery > 1) });
  };
}
