import { Argument, type Command } from 'commander';
import { leaf, offline, optionsOf } from '../command-line/command.ts';
import type { CommonOptions, Context } from '../command-line/context.ts';
import { commandTree } from '../completion/command-tree.ts';
import { completionScript, SHELLS, type Shell } from '../completion/shells.ts';

export function completion(context: Context): Command {
  return offline(
    leaf('completion', 'a script that lets a shell complete commands and options', [
      'completion bash >> ~/.bash_completion',
      'completion zsh > ~/.zsh/completions/_solopo',
      'completion fish > ~/.config/fish/completions/solopo.fish',
    ]),
  )
    .addArgument(new Argument('<shell>', 'which shell').choices(SHELLS))
    .action(async (shell: Shell, _: unknown, command: Command) => {
      const script = completionScript(shell, commandTree(command.parent ?? command));
      await context.print(optionsOf<CommonOptions>(command), { shell, script }, () => script.trimEnd());
    });
}
