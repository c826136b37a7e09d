import { SCOPES, type Scope } from '@solopo/contracts';
import { Option, type Command } from 'commander';
import type { TokenView } from '../client/api.views.ts';
import { group, leaf, online, optionsOf } from '../command-line/command.ts';
import type { Context } from '../command-line/context.ts';
import { table } from '../report/table.ts';

export function tokens(context: Context): Command {
  return group('tokens', 'access tokens, for administrators', [create(context), list(context), revoke(context)]);
}

function create(context: Context): Command {
  return online(
    leaf('create', 'a new token, which is shown this once', [
      'tokens create ann --scope run',
      'tokens create notebook --scope read --json',
    ]),
  )
    .argument('<name>', 'whose it is')
    .addOption(
      new Option('--scope <scope...>', 'what it may do: run holds read, admin holds both')
        .choices(SCOPES)
        .default(['read'], 'read'),
    )
    .action(async (name: string, { scope }: { scope: readonly Scope[] }, command: Command) => {
      const options = optionsOf(command);
      const issued = await context.api(options).issueToken({ name, scopes: scope });
      if (!options.json) context.terminal.say('Keep this; it is not shown again:');
      await context.print(options, issued, () => issued.token);
    });
}

function list(context: Context): Command {
  return online(leaf('list', 'all tokens, without their secrets', ['tokens list'])).action(
    async (_: unknown, command: Command) => {
      const options = optionsOf(command);
      const all = await context.api(options).tokens();
      await context.print(options, all, () =>
        all.length === 0 ? 'There are no tokens; issue one with solopo tokens create NAME.' : tokenTable(all),
      );
    },
  );
}

function revoke(context: Context): Command {
  return online(leaf('revoke', 'refuse a token from now on', ['tokens revoke ann']))
    .argument('<name>', 'whose it is')
    .action(async (name: string, _: unknown, command: Command) => {
      const options = optionsOf(command);
      const token = await context.api(options).revokeToken(name);
      await context.print(options, token, () => `Token ${token.name} is revoked.`);
    });
}

function tokenTable(all: readonly TokenView[]): string {
  const minutes = (time: string | null): string => time?.slice(0, 16) ?? '-';
  return table(
    [
      ['name', 'scopes', 'created', 'last used', 'revoked'],
      ...all.map(({ name, scopes, createdAt, lastUsedAt, revokedAt }) => [
        name,
        scopes.join(' '),
        minutes(createdAt),
        minutes(lastUsedAt),
        minutes(revokedAt),
      ]),
    ],
    5,
  );
}
