import type { CommandNode } from './command-tree.ts';
import { bashScript } from './bash.script.ts';
import { fishScript } from './fish.script.ts';
import { zshScript } from './zsh.script.ts';

export const SHELLS = ['bash', 'zsh', 'fish'] as const;
export type Shell = (typeof SHELLS)[number];

const SCRIPTS: Readonly<Record<Shell, (nodes: readonly CommandNode[]) => string>> = {
  bash: bashScript,
  zsh: zshScript,
  fish: fishScript,
};

export function completionScript(shell: Shell, nodes: readonly CommandNode[]): string {
  return SCRIPTS[shell](nodes);
}
