import type { Command } from 'commander';
import { leaf, online, optionsOf } from '../command-line/command.ts';
import type { Context } from '../command-line/context.ts';

export function signingKeyCommand(context: Context): Command {
  return online(
    leaf('signing-key', "print the public key that the system signs exports' statements with, for verify --key", [
      'signing-key > solopo.pub',
    ]),
  ).action(async (_: unknown, command: Command) => {
    const options = optionsOf(command);
    const key = await context.api(options).signingKey();
    await context.print(options, key, () => key.publicKey.trimEnd());
  });
}
