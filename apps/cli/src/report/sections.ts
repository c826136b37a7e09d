export type Section = readonly [title: string, body: string];

export function sections(parts: readonly Section[]): string {
  return parts.map(([title, body]) => `${title}\n\n${indent(body)}\n`).join('\n');
}

function indent(text: string): string {
  return text.replace(/^(?=.)/gm, '  ');
}
