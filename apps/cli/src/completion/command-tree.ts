import type { Command } from 'commander';

/** A command as a shell needs to know it. */
export interface CommandNode {
  /** The words that lead to it: `runs create`. */
  readonly path: string;
  readonly summary: string;
  readonly commands: readonly { readonly name: string; readonly summary: string }[];
  readonly options: readonly OptionNode[];
  /** What its first argument may be. */
  readonly choices: readonly string[];
}

export interface OptionNode {
  readonly flags: readonly string[];
  readonly summary: string;
  readonly takesValue: boolean;
  readonly choices: readonly string[];
}

/** The program and every command below it. */
export function commandTree(command: Command, path: readonly string[] = []): CommandNode[] {
  return [
    {
      path: path.join(' '),
      summary: command.description(),
      commands: command.commands.map((child) => ({ name: child.name(), summary: child.description() })),
      choices: command.registeredArguments[0]?.argChoices ?? [],
      options: command
        .createHelp()
        .visibleOptions(command)
        .map(({ short, long, description, required, optional, argChoices = [] }) => ({
          flags: [short, long].filter((flag) => flag !== undefined && flag !== null),
          summary: description,
          takesValue: required || optional,
          choices: argChoices,
        })),
    },
    ...command.commands.flatMap((child) => commandTree(child, [...path, child.name()])),
  ];
}

/** Flags with a value, and what it may be: `--format` to `trl llama-factory`. */
export function valuesOf(
  options: readonly OptionNode[],
): readonly (readonly [flag: string, choices: readonly string[]])[] {
  return options
    .filter(({ takesValue }) => takesValue)
    .flatMap(({ flags, choices }) => flags.map((flag) => [flag, choices] as const));
}
