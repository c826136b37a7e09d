import type { CommandNode } from './command-tree.ts';

/** The same for fish: one line for each word of each command. */
export function fishScript(nodes: readonly CommandNode[]): string {
  const lines = nodes.flatMap(({ path, commands, choices, options }) => {
    const when = `-n ${quoted(`__solopo_at ${path}`.trim())}`;
    return [
      ...commands.map(({ name, summary }) => `complete -c solopo -f ${when} -a ${quoted(name)} -d ${quoted(summary)}`),
      ...choices.map((choice) => `complete -c solopo -f ${when} -a ${quoted(choice)}`),
      ...options.map(({ flags, summary, takesValue, choices }) =>
        [
          `complete -c solopo ${when}`,
          ...flags.map((flag) => (flag.startsWith('--') ? `-l ${flag.slice(2)}` : `-s ${flag.slice(1)}`)),
          ...(choices.length > 0 ? [`-x -a ${quoted(choices.join(' '))}`] : takesValue ? ['-r'] : []),
          `-d ${quoted(summary)}`,
        ].join(' '),
      ),
    ];
  });
  const groups = nodes.filter(({ commands }) => commands.length > 0).map(({ path }) => quoted(path));
  return `# solopo completion for fish: save it as ~/.config/fish/completions/solopo.fish.
function __solopo_at
    set -l path
    for word in (commandline -opc)[2..-1]
        if contains -- "$path" ${groups.join(' ')}
            string match -q -- '-*' $word; or set path (string trim "$path $word")
        end
    end
    test "$path" = "$argv"
end
${lines.join('\n')}
`;
}

function quoted(text: string): string {
  return `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`;
}
