/** Texts as judges compare them: composed Unicode (NFC), white space collapsed to single spaces, trimmed. */
export function normalize(text: string): string {
  return text.normalize('NFC').replace(/\s+/gu, ' ').trim();
}

/** The same without regard to case. */
export function normalizeCase(text: string): string {
  return normalize(text).toLowerCase().normalize('NFC');
}
