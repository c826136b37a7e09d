import { valuesOf, type CommandNode } from './command-tree.ts';

/** Completes commands, options and the choices of an option; everything else is a file's name. */
export function bashScript(nodes: readonly CommandNode[]): string {
  const words = nodes.map(
    ({ path, commands, choices, options }) =>
      `    '${path}') words='${[...commands.map(({ name }) => name), ...choices, ...options.flatMap(({ flags }) => flags)].join(' ')}' ;;`,
  );
  const values = nodes.flatMap(({ path, options }) =>
    valuesOf(options).map(([flag, choices]) => `    '${path} ${flag}') values='${choices.join(' ')}'; is_value=1 ;;`),
  );
  const groups = nodes.filter(({ commands }) => commands.length > 0).map(({ path }) => `'${path}'`);
  return `# solopo completion for bash: put it into ~/.bash_completion, or
#   source <(solopo completion bash)
_solopo() {
  local current=\${COMP_WORDS[COMP_CWORD]} previous=\${COMP_WORDS[COMP_CWORD-1]}
  local path='' words='' values='' is_value='' word
  for word in "\${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    case $path in
    ${groups.join(' | ')})
      case $word in -*) ;; *) path=\${path:+$path }$word ;; esac ;;
    esac
  done
  case "$path $previous" in
${values.join('\n')}
  esac
  case $path in
${words.join('\n')}
  esac
  COMPREPLY=()
  if [ -n "$is_value" ]; then
    words=$values
  fi
  if [ -n "$words" ] && { [ -n "$is_value" ] || [[ $current == -* ]] || [[ $words != -* ]]; }; then
    COMPREPLY=($(compgen -W "$words" -- "$current"))
  fi
}
complete -o default -F _solopo solopo ./solopo
`;
}
