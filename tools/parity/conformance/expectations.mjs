import { readFileSync } from 'node:fs';
import { join } from 'node:path';

/** Refusals that are known, with their reasons: `expected-refusals.json`. Any other refusal of a valid folder is a failure. */
export class Expectations {
  #entries;

  constructor(entries) {
    this.#entries = entries.map((entry) => ({ ...entry, pattern: new RegExp(entry.message) }));
  }

  static read() {
    return new Expectations(JSON.parse(readFileSync(join(import.meta.dirname, 'expected-refusals.json'), 'utf8')));
  }

  apply({ kind, name }, result) {
    if (result.outcome !== 'refused') return result;
    const entry = this.#entries.find((each) => isOf(each, { kind, name }) && each.pattern.test(result.message));
    return entry ? { ...result, reason: entry.reason } : { ...result, outcome: 'refused, not expected' };
  }

  /** Items that are named in the file, and are equal: their lines can go. */
  unneeded(results) {
    return results.filter((result) => result.outcome === 'equal' && this.#entries.some((entry) => isOf(entry, result)));
  }
}

function isOf({ kind, names }, item) {
  return kind === item.kind && names.includes(item.name);
}
