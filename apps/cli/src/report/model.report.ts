import type { ModelView } from '../client/api.views.ts';
import { whole } from './numbers.ts';

/** With what its weights were made of, where they were made of fewer bits. */
export function describeModel({ name, family, parameters, source, digest, warnings }: ModelView): string {
  const origin =
    source === null ? '' : `\ndequantised from ${source.format.toUpperCase()} ${source.file_type} (${source.sha256})`;
  const told = warnings.map((warning) => `\nwarning: ${warning}`).join('');
  return `Model ${name}: ${family}, ${whole(parameters)} parameters${origin}\n${digest}${told}`;
}
