import { Ledger } from '@solopo/ledger';
import { followRuns } from './follow-runs.ts';
import { TensorBoardTracker } from './tensorboard.tracker.ts';

/** Follows runs until it is killed. */
const [url = '', folder = ''] = process.argv.slice(2);
await followRuns(Ledger.open(url), new TensorBoardTracker(folder), {
  signal: new AbortController().signal,
  pollMs: 5,
  onWritten: () => process.stdout.write('written\n'),
});
