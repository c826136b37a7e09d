import { DeviceMemoryError } from './device.ts';
import type { Pace } from './pace.ts';

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

export interface PartOptions {
  readonly pace: Pace;
  /** The first item to work on, and the one before which to stop; default: all. */
  readonly from?: number;
  readonly to?: number;
  /** Takes groups as they are, at whatever pace. */
  readonly whole?: boolean;
}

/**
 * As inBatches over the items of the range, in parts of groups that are small enough for the pace. The groups are those of all
 * items, whatever the range, the pace and where it stops: who gives a part what its group would give has the same numbers however
 * the work was cut.
 *
 * @throws DeviceMemoryError when there is no room for a single item
 */
export async function inParts<T>(
  items: readonly T[],
  lengthOf: (item: T) => number,
  limit: number,
  { pace, from = 0, to = items.length, whole = false }: PartOptions,
  work: (part: readonly T[], place: { readonly group: readonly T[]; readonly at: number }) => Promise<void>,
): Promise<void> {
  const waiting = groupByTokens(items, lengthOf, limit);
  let isFirst = true;
  for (let begin = 0; begin < to;) {
    const group = waiting.shift();
    if (group === undefined) return;
    const longest = Math.max(...group.map(lengthOf));
    const end = Math.min(group.length, to - begin);
    let at = Math.max(0, from - begin);
    try {
      while (at < end) {
        if (!isFirst && pace.isOver) return;
        isFirst = false;
        const part = group.slice(
          at,
          Math.min(end, at + Math.max(1, Math.floor((whole ? Infinity : pace.tokens) / longest))),
        );
        await pace.measured(part.length * longest, () => work(part, { group, at }));
        at += part.length;
      }
      begin += group.length;
    } catch (error) {
      if (!(error instanceof DeviceMemoryError)) throw error;
      if (group.length === 1) throw tooBig(lengthOf(group[0] as T), error);
      // What is done of it stays done; the rest comes again in groups of half its size.
      const half = at + Math.max(1, (group.length - at) >> 1);
      waiting.unshift(...[group.slice(at, half), group.slice(half)].filter(({ length }) => length > 0));
      begin += at;
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
