import { Command } from 'commander';
import { addressOptions, HELP, jsonOption } from './command-line/command.ts';
import type { Context } from './command-line/context.ts';
import { completion } from './commands/completion.command.ts';
import { convert } from './commands/convert.command.ts';
import { datasets } from './commands/datasets.command.ts';
import { deadLetters } from './commands/dead-letters.command.ts';
import { demoCommand } from './commands/demo.command.ts';
import { exportCommand } from './commands/export.command.ts';
import { gc } from './commands/gc.command.ts';
import { generateCommand } from './commands/generate.command.ts';
import { models } from './commands/models.command.ts';
import { pairs } from './commands/pairs.command.ts';
import { pretrainCommand } from './commands/pretrain.command.ts';
import { runs } from './commands/runs.command.ts';
import { schema } from './commands/schema.command.ts';
import { signingKeyCommand } from './commands/signing-key.command.ts';
import { tokens } from './commands/tokens.command.ts';
import { verify } from './commands/verify.command.ts';
import { UsageError } from './usage.error.ts';

const COMMANDS: readonly (readonly [heading: string, readonly ((context: Context) => Command)[]])[] = [
  [
    'On a running system:',
    [models, datasets, runs, pairs, exportCommand, verify, signingKeyCommand, deadLetters, gc, tokens, demoCommand],
  ],
  ['On this machine alone:', [schema, convert, generateCommand, pretrainCommand, completion]],
];

const EXIT_CODES = `
Exit codes: 0 all went well, 1 something failed, 2 the command line or a file it names is wrong, 130 interrupted.`;

/** The whole command line. Modules that are heavy are loaded by the commands that need them. */
export function program(context: Context): Command {
  const root = new Command('solopo')
    .description('Trains language models for long contexts by short-to-long preference optimization.')
    .enablePositionalOptions()
    .addHelpText('after', EXIT_CODES);
  for (const [heading, commands] of COMMANDS)
    for (const make of commands) root.addCommand(make(context).helpGroup(heading));
  for (const option of [jsonOption(), ...addressOptions()]) root.addOption(option);
  everyCommand(root, (command) => harden(command, context));
  return root;
}

/** Help goes to the terminal of the context, and faults are thrown. */
function harden(command: Command, { terminal }: Context): void {
  command
    .configureHelp(HELP)
    .configureOutput({
      writeOut: (text) => void terminal.write(text),
      writeErr: (text) => terminal.say(text.trimEnd()),
      outputError: () => undefined,
    })
    .exitOverride((error) => {
      if (error.exitCode === 0 || error.code === 'commander.help') throw error;
      const fault = error.message
        .replace(/^error: /, '')
        .replace('\n', ' ')
        .replace(/\.$/, '');
      throw new UsageError(`${fault}; ${wordsOf(command)} --help shows what it takes.`);
    });
}

function wordsOf(command: Command | null): string {
  return command === null ? '' : `${wordsOf(command.parent)} ${command.name()}`.trim();
}

function everyCommand(command: Command, visit: (command: Command) => void): void {
  visit(command);
  for (const child of command.commands) everyCommand(child, visit);
}
