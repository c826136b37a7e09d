export interface Selector {
  readonly metric: string;
  readonly matchers: readonly { readonly label: string; readonly operator: string; readonly value: string }[];
}

const WORDS = new Set(['and', 'or', 'unless', 'by', 'on', 'without', 'ignoring', 'offset', 'bool', 'group_left']);

/** The series that an expression asks for. */
export function selectorsOf(expression: string): readonly Selector[] {
  const bare = expression
    .replace(/\b(by|on|without|ignoring|group_left)\s*\([^)]*\)/g, ' ')
    .replace(/\[[^\]]*\]/g, ' ');
  return [...bare.matchAll(/([a-zA-Z_]\w*)\s*(\{[^}]*\}|\(|)/g)].flatMap(([, word = '', next = ''], index, all) => {
    if (next === '(' || WORDS.has(word)) return [];
    // What stands inside of a matcher or after `offset` is no metric.
    const at = all[index]?.index ?? 0;
    if (isInside(bare, at) || /[\d$]$/.test(bare.slice(0, at)) || /offset\s*$/.test(bare.slice(0, at))) return [];
    const matchers = [...next.matchAll(/(\w+)\s*(=~|!~|!=|=)\s*"([^"]*)"/g)].map(
      ([, label = '', operator = '', value = '']) => ({ label, operator, value }),
    );
    return [{ metric: word, matchers }];
  });
}

function isInside(text: string, at: number): boolean {
  return text.lastIndexOf('{', at) > text.lastIndexOf('}', at);
}
