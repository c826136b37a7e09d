import { parseArgs } from 'node:util';
import { availableParallelism } from 'node:os';
import { resolve } from 'node:path';
import {
  DEVICE_CHOICES,
  divisorsInWords,
  MAX_RANKS,
  ONE_RANK,
  type DeviceChoice,
  type RankLayout,
} from '@solopo/functions';

export interface LauncherOptions {
  readonly data: string | undefined;
  readonly port: number | undefined;
  readonly threads: number;
  /** Where the engines compute; what the manifest of functions says when absent. */
  readonly device: DeviceChoice | undefined;
  /** Over which PyTorch scores and trains, all on this machine. */
  readonly layout: RankLayout;
  readonly verbose: boolean;
  readonly keep: boolean;
  /** What the launcher does not know, in its order: the client's. */
  readonly rest: readonly string[];
}

export const OWN = {
  data: { type: 'string' },
  port: { type: 'string' },
  threads: { type: 'string' },
  device: { type: 'string' },
  ranks: { type: 'string' },
  'sequence-ranks': { type: 'string' },
  verbose: { type: 'boolean' },
  keep: { type: 'boolean' },
} as const;

export function parseOptions(args: readonly string[]): LauncherOptions {
  const { values, tokens } = parseArgs({
    args: [...args],
    options: OWN,
    strict: false,
    allowPositionals: true,
    tokens: true,
  });
  const own = new Set<number>();
  for (const token of tokens) {
    if (token.kind !== 'option' || !Object.hasOwn(OWN, token.name)) continue;
    own.add(token.index);
    if (token.value !== undefined && token.inlineValue === false) own.add(token.index + 1);
  }
  return {
    // Of servers that run in other folders.
    data: absolute(text(values.data, '--data', 'a folder')),
    port: whole(values.port, '--port', 65_535),
    threads: whole(values.threads, '--threads', availableParallelism()) ?? 1,
    device: choice(values.device, '--device', DEVICE_CHOICES),
    layout: layoutOf(values.ranks, values['sequence-ranks']),
    verbose: values.verbose === true,
    keep: values.keep === true,
    rest: args.filter((_, index) => !own.has(index)),
  };
}

/** Of a command that hands nothing on. */
export function refuseRest(command: string, { rest }: LauncherOptions): void {
  if (rest.length > 0)
    throw new Error(`${command} does not know ${rest.join(' ')}; ./solopo ${command} --help lists its options.`);
}

function layoutOf(given: string | boolean | undefined, sequences: string | boolean | undefined): RankLayout {
  const ranks = whole(given, '--ranks', MAX_RANKS) ?? 1;
  const sequenceRanks = whole(sequences, '--sequence-ranks', MAX_RANKS) ?? 1;
  if (ranks % sequenceRanks !== 0)
    throw new Error(
      `--sequence-ranks wants a number that divides --ranks (${ranks}): ${divisorsInWords(ranks)}; write one of these after it, or leave it out.`,
    );
  return { ...ONE_RANK, ranks, sequenceRanks };
}

const absolute = (path: string | undefined): string | undefined => (path === undefined ? path : resolve(path));

function text(value: string | boolean | undefined, name: string, wanted: string): string | undefined {
  if (value === undefined || (typeof value === 'string' && value !== '')) return value;
  throw new Error(`${name} wants ${wanted}; write it after the option, or leave the option out.`);
}

function choice<T extends string>(
  value: string | boolean | undefined,
  name: string,
  choices: readonly T[],
): T | undefined {
  if (value === undefined) return undefined;
  const chosen = choices.find((each) => each === value);
  if (chosen) return chosen;
  throw new Error(`${name} wants one of ${choices.join(', ')}; write it after the option, or leave the option out.`);
}

function whole(value: string | boolean | undefined, name: string, most: number): number | undefined {
  if (value === undefined) return undefined;
  const number = Number(value);
  if (typeof value === 'string' && Number.isInteger(number) && number >= 1 && number <= most) return number;
  throw new Error(
    `${name} wants a whole number from 1 to ${most}; write it after the option, or leave the option out.`,
  );
}
