import type { DatasetView } from '../client/api.views.ts';
import { whole } from './numbers.ts';

/** With the lines that could not be read, as far as they are worth a look. */
export function describeDataset({ name, examples, rejected, rejectedCount }: DatasetView): string {
  const shown = rejected.slice(0, 5).map(({ line, reason }) => `\n  line ${line}: ${reason}`);
  const refused = rejectedCount === 0 ? '' : `; ${whole(rejectedCount)} lines refused${shown.join('')}`;
  return `Data set ${name}: ${whole(examples)} examples${refused}`;
}
