import type { z } from 'zod';

type Issue = z.core.$ZodIssue;

/** One thing that is wrong with a value, and where. */
export interface Fault {
  readonly path: readonly (string | number)[];
  readonly reason: string;
  /** The key itself is at fault, not its value. */
  readonly atKey: boolean;
}

/** Every fault by itself: a line for each unknown key, and for a choice of shapes the faults of the likeliest. */
export function faultsOf(issues: readonly Issue[], base: Fault['path'] = []): Fault[] {
  return issues.flatMap((issue): Fault[] => {
    const path = [...base, ...issue.path.map((key) => (typeof key === 'symbol' ? String(key) : key))];
    switch (issue.code) {
      case 'unrecognized_keys':
        return issue.keys.map((key) => ({ path: [...path, key], reason: 'is not a known key', atKey: true }));
      case 'invalid_union': {
        const [likeliest] = [...issue.errors].sort((a, b) => a.length - b.length);
        return likeliest === undefined ? [{ path, reason: issue.message, atKey: false }] : faultsOf(likeliest, path);
      }
      default:
        return [{ path, reason: reasonOf(issue), atKey: false }];
    }
  });
}

function reasonOf(issue: Issue): string {
  return issue.code === 'invalid_type' && issue.message.endsWith('received undefined') ? 'is missing' : issue.message;
}
