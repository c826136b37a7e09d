import { valuesOf, type CommandNode } from './command-tree.ts';

/** The same for zsh, with what each word means. */
export function zshScript(nodes: readonly CommandNode[]): string {
  const groups = nodes.filter(({ commands }) => commands.length > 0).map(({ path }) => quoted(path));
  const words = nodes.map(({ path, commands, choices, options }) => {
    const described = [
      ...choices,
      ...commands.map(({ name, summary }) => `${name}:${summary}`),
      ...options.flatMap(({ flags, summary }) => flags.map((flag) => `${flag}:${summary}`)),
    ];
    return `    ${quoted(path)}) words_=(${described.map(quoted).join(' ')}) ;;`;
  });
  const values = nodes.flatMap(({ path, options }) =>
    valuesOf(options).map(
      ([flag, choices]) => `    ${quoted(`${path} ${flag}`)}) values=(${choices.join(' ')}); is_value=1 ;;`,
    ),
  );
  return `#compdef solopo ./solopo
# solopo completion for zsh: save it as _solopo in a folder of $fpath.
_solopo() {
  local path_='' is_value='' word
  local -a words_ values before
  before=("\${(@)words[2,CURRENT-1]}")
  for word in $before; do
    case $path_ in
    ${groups.join(' | ')})
      [[ $word == -* ]] || path_="\${path_:+$path_ }$word" ;;
    esac
  done
  case "$path_ \${words[CURRENT-1]}" in
${values.join('\n')}
  esac
  if [[ -n $is_value ]]; then
    if (( $#values )); then compadd -a values; else _files; fi
    return
  fi
  case $path_ in
${words.join('\n')}
  esac
  _describe 'solopo' words_
  [[ \${words[CURRENT]} == -* ]] || _files
}
compdef _solopo solopo ./solopo
`;
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}
