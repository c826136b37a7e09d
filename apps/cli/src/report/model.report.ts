import type { ModelView } from '../client/api.views.ts';
import { whole } from './numbers.ts';

/** With what its weights were made of, where they were made of fewer bits. */
export function describeModel({ name, family, parameters, source, digest }: ModelView): string {
  const origin =
    source === null ? '' : `\ndequantised from ${source.format.toUpperCase()} ${source.file_type} (${source.sha256})`;
  return `Model ${name}: ${family}, ${whole(parameters)} parameters${origin}\n${digest}`;
}
