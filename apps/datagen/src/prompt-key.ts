/** Names a prompt's stream of random numbers: the first 64 bits of its context's digest. */
export function promptKey(digest: string): readonly [number, number] {
  return [parseInt(digest.slice(0, 8), 16), parseInt(digest.slice(8, 16), 16)];
}
