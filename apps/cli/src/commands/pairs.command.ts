import { createWriteStream } from 'node:fs';
import { rename, rm } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { Option, type Command } from 'commander';
import type { PairsQuery } from '../client/api.client.ts';
import { group, leaf, online, optionsOf } from '../command-line/command.ts';
import type { Context } from '../command-line/context.ts';

type Format = NonNullable<PairsQuery['format']>;
type Split = NonNullable<PairsQuery['split']>;
type ContextName = NonNullable<PairsQuery['context']>;

const FORMATS: readonly Format[] = ['trl', 'trl-tokens', 'trl-conversational', 'llama-factory'];
const SPLITS: readonly Split[] = ['training', 'held-out'];
const CONTEXTS: readonly ContextName[] = ['short', 'long'];

interface Values {
  readonly format: Format;
  readonly split: Split;
  readonly context: ContextName;
  readonly output?: string;
}

export function pairs(context: Context): Command {
  return group('pairs', 'preference pairs', [exportPairs(context)]);
}

function exportPairs(context: Context): Command {
  return online(
    leaf('export', "a run's preference pairs as JSON lines for other trainers", [
      'pairs export RUN --format trl -o pairs.jsonl',
      'pairs export RUN --format llama-factory --context long --split held-out > held-out.jsonl',
    ]),
  )
    .argument('<run>', "the run's id")
    .addOption(new Option('--format <format>', 'who reads them').choices(FORMATS).default('trl'))
    .addOption(new Option('--split <split>', 'which pairs').choices(SPLITS).default('training'))
    .addOption(new Option('--context <context>', 'whose prompts').choices(CONTEXTS).default('short'))
    .option('-o, --output <file>', 'where to write them (standard output)')
    .action(async (run: string, { output, format, split, context: which }: Values, command: Command) => {
      const options = optionsOf(command);
      const stream = await context.api(options).exportPairs(run, { format, split, context: which });
      if (output === undefined) {
        for await (const piece of stream) await context.terminal.write(piece);
        return;
      }
      const written = await writeLines(stream, output);
      await context.print(options, { file: output, ...written }, () => `${written.pairs} pairs written to ${output}`);
    });
}

/** The file is there when all of it is. */
async function writeLines(stream: AsyncIterable<Uint8Array>, file: string): Promise<{ pairs: number; bytes: number }> {
  const draft = `${file}.${process.pid}.part`;
  let [pairs, bytes] = [0, 0];
  async function* counted(): AsyncGenerator<Uint8Array> {
    for await (const piece of stream) {
      bytes += piece.length;
      for (const byte of piece) if (byte === 0x0a) pairs++;
      yield piece;
    }
  }
  try {
    await pipeline(Readable.from(counted()), createWriteStream(draft));
    await rename(draft, file);
    return { pairs, bytes };
  } finally {
    await rm(draft, { force: true });
  }
}
