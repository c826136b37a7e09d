/** Spaces that parting at punctuation made: transformers' `clean_up_tokenization`. */
const PARTED: readonly (readonly [string, string])[] = [
  [' .', '.'],
  [' ?', '?'],
  [' !', '!'],
  [' ,', ','],
  [" ' ", "'"],
  [" n't", "n't"],
  [" 'm", "'m"],
  [" 's", "'s"],
  [" 've", "'ve"],
  [" 're", "'re"],
];

export function cleanedUp(text: string): string {
  return PARTED.reduce((cleaned, [parted, joined]) => cleaned.replaceAll(parted, joined), text);
}
