import type { Command } from 'commander';
import type { DeadLetterView } from '../client/api.views.ts';
import { group, leaf, online, optionsOf, whole } from '../command-line/command.ts';
import type { Context } from '../command-line/context.ts';
import { table } from '../report/table.ts';

export function deadLetters(context: Context): Command {
  return group('dead-letters', 'jobs that were given up, and what failed with them', [
    list(context),
    show(context),
    retry(context),
    discard(context),
  ]);
}

function list(context: Context): Command {
  return online(leaf('list', 'jobs that were given up, the latest first', ['dead-letters list']))
    .option('--limit <n>', 'at most so many', whole(1, 1000), 100)
    .action(async ({ limit }: { readonly limit: number }, command: Command) => {
      const options = optionsOf(command);
      const letters = await context.api(options).deadLetters(limit);
      await context.print(options, letters, () =>
        letters.length === 0
          ? 'There are no dead letters: every job that was begun could be done.'
          : letterTable(letters),
      );
    });
}

function show(context: Context): Command {
  return online(leaf('show', 'a dead letter: its job, and all of what went wrong', ['dead-letters show 3']))
    .argument('<id>', 'the number in the list', whole(1))
    .action(async (id: number, _: unknown, command: Command) => {
      const options = optionsOf(command);
      const letter = await context.api(options).deadLetter(id);
      await context.print(options, letter, () => described(letter));
    });
}

function retry(context: Context): Command {
  return online(
    leaf('retry', 'when the cause is mended: sets the runs going again that failed with it', ['dead-letters retry 3']),
  )
    .argument('<id>', 'the number in the list', whole(1))
    .action(async (id: number, _: unknown, command: Command) => {
      const options = optionsOf(command);
      const retried = await context.api(options).retryDeadLetter(id);
      await context.print(
        options,
        retried,
        () => `Dead letter ${id} is retried; going on: ${retried.runs.join(', ') || 'the replay'}.`,
      );
    });
}

function discard(context: Context): Command {
  return online(leaf('discard', 'delete a letter; what failed with it stays failed', ['dead-letters discard 3']))
    .argument('<id>', 'the number in the list', whole(1))
    .action(async (id: number, _: unknown, command: Command) => {
      const options = optionsOf(command);
      await context.api(options).discardDeadLetter(id);
      await context.print(options, { id }, () => `Dead letter ${id} is discarded.`);
    });
}

/** Of a reason, what a line has room for: `show` has the rest. */
const REASON_LENGTH = 100;

function letterTable(letters: readonly DeadLetterView[]): string {
  return table(
    [
      ['id', 'job', 'error', 'attempts', 'when', 'retried', 'reason'],
      ...letters.map(({ id, subject, code, attempts, createdAt, retriedAt, reason }) => [
        `${id}`,
        subject,
        code,
        `${attempts}`,
        createdAt.slice(0, 16),
        retriedAt?.slice(0, 16) ?? '-',
        reason.length > REASON_LENGTH ? `${reason.slice(0, REASON_LENGTH - 1)}…` : reason,
      ]),
    ],
    7,
  );
}

function described({ id, subject, code, attempts, createdAt, retriedAt, reason, job }: DeadLetterView): string {
  const facts = table(
    [
      ['dead letter', `${id}`],
      ['queue', subject],
      ['error', code],
      ['attempts', `${attempts}`],
      ['given up', createdAt],
      ['retried', retriedAt ?? 'no'],
      ['job', JSON.stringify(job ?? null)],
    ],
    2,
  );
  return `${facts}\n\n${reason}`;
}
