import { Command, Help, InvalidArgumentError, Option, type HelpConfiguration } from 'commander';
import type { CommonOptions, OnlineOptions } from './context.ts';

const COMMON = 'Common options:';

/** A command that does something. Its examples, without the program's name, end its help. */
export function leaf(name: string, summary: string, examples: readonly [string, ...string[]]): Command {
  return new Command(name)
    .description(summary)
    .addHelpText('after', `\nExamples:\n${examples.map((example) => `  solopo ${example}`).join('\n')}`);
}

/** A command that holds others. */
export function group(name: string, summary: string, commands: readonly Command[]): Command {
  const parent = new Command(name).description(summary).helpCommand(false);
  for (const command of commands) parent.addCommand(command);
  return parent;
}

export function offline(command: Command): Command {
  return command.addOption(jsonOption());
}

export function online(command: Command): Command {
  return [jsonOption(), ...addressOptions()].reduce((all, option) => all.addOption(option), command);
}

export function jsonOption(): Option {
  return new Option('--json', 'the result as JSON on standard output, and nothing else there').helpGroup(COMMON);
}

export function addressOptions(): Option[] {
  return [
    new Option('--api <url>', 'the system to talk to (SOLOPO_API; else the one that ./solopo up runs)').helpGroup(
      COMMON,
    ),
    new Option('--token <token>', 'an access token, where the system asks for one (SOLOPO_TOKEN)').helpGroup(COMMON),
  ];
}

/** A command's own options before the common ones. */
export const HELP: HelpConfiguration = {
  visibleOptions(command) {
    const all = Help.prototype.visibleOptions.call(this as Help, command);
    const isCommon = ({ helpGroupHeading }: Option) => helpGroupHeading === COMMON;
    return [...all.filter((option) => !isCommon(option)), ...all.filter(isCommon)];
  },
};

/** A command's own options, and those named before it. */
export function optionsOf<T extends CommonOptions = OnlineOptions>(command: Command): T {
  return command.optsWithGlobals<T>();
}

/** A whole number, as an option's value. */
export function whole(least: number, most = Number.MAX_SAFE_INTEGER): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (/^\d+$/.test(text) && value >= least && value <= most) return value;
    const bounds = most === Number.MAX_SAFE_INTEGER ? `${least} or more` : `${least} to ${most}`;
    throw new InvalidArgumentError(`Give a whole number, ${bounds}.`);
  };
}

/** A value that may be given several times. */
export function collect(value: string, before: readonly string[] = []): readonly string[] {
  return [...before, value];
}
