/** Controls, which a terminal obeys, and what turns the direction of a text or ends a line without saying so. */
const UNPRINTABLE = /[\p{Cc}\u2028\u2029\u202a-\u202e\u2066-\u2069]/gu;
const IN_TEXTS = new Set(['\n', '\t']);

/** Texts of others as a terminal may show them: whatever it would obey is written out, as JSON has it. */
export function printable(text: string): string {
  return text.replace(UNPRINTABLE, (one) => (IN_TEXTS.has(one) ? one : written(one)));
}

/** The same of what must stay on one line. */
export function oneLine(text: string): string {
  return text.replace(UNPRINTABLE, written);
}

function written(one: string): string {
  return `\\u${one.charCodeAt(0).toString(16).padStart(4, '0')}`;
}
