import { DeviceMemoryError } from './device.ts';

/** Runs of consecutive items whose padded size (longest * count) stays within `limit`; a single item may exceed it. */
export function groupByTokens<T>(items: readonly T[], lengthOf: (item: T) => number, limit: number): T[][] {
  const groups: T[][] = [];
  let longest = 0;
  for (const item of items) {
    const length = lengthOf(item);
    const group = groups.at(-1);
    if (group && Math.max(longest, length) * (group.length + 1) <= limit) {
      group.push(item);
      longest = Math.max(longest, length);
    } else {
      groups.push([item]);
      longest = length;
    }
  }
  return groups;
}

/**
 * Works through the items in groups of at most `limit` tokens, in their order. A group that the device has no room for is
 * halved; what a group's failed try left behind must be nothing. Ends early, after a group, where `enough` says so: whoever
 * goes on from there has the same groups.
 *
 * @throws DeviceMemoryError when there is no room for a single item
 */
export async function inBatches<T>(
  items: readonly T[],
  lengthOf: (item: T) => number,
  limit: number,
  work: (group: readonly T[]) => Promise<void>,
  enough: () => boolean = () => false,
): Promise<void> {
  const waiting = groupByTokens(items, lengthOf, limit);
  for (
    let group = waiting.shift(), first = true;
    group && (first || !enough());
    group = waiting.shift(), first = false
  ) {
    try {
      await work(group);
    } catch (error) {
      if (!(error instanceof DeviceMemoryError)) throw error;
      if (group.length === 1) throw tooBig(lengthOf(group[0] as T), error);
      const half = group.length >> 1;
      waiting.unshift(group.slice(0, half), group.slice(half));
    }
  }
}

/**
 * Does the whole work with groups of at most `limit` tokens; where the device has no room for one, all of it again with half
 * as many.
 *
 * @throws DeviceMemoryError when there is no room for the groups of one item either
 */
export async function withSmallerBatches<T>(
  lengths: readonly number[],
  limit: number,
  work: (limit: number) => Promise<T>,
): Promise<T> {
  const shortest = Math.min(...lengths);
  const total = Math.max(...lengths) * lengths.length;
  for (let tokens = Math.min(limit, total); ; tokens = Math.floor(tokens / 2)) {
    try {
      return await work(tokens);
    } catch (error) {
      if (!(error instanceof DeviceMemoryError)) throw error;
      if (tokens < 2 * shortest) throw tooBig(Math.max(...lengths), error);
    }
  }
}

function tooBig(tokens: number, cause: DeviceMemoryError): DeviceMemoryError {
  return new DeviceMemoryError(
    `the device has no room for ${tokens} tokens at a time: ${cause.message}; raise maxDeviceMemory, shorten the contexts, train an adapter instead of all parameters, or use a device with more memory`,
    { cause },
  );
}
