/** Bytes of an entry besides its ids: its key, its place in the map, the array's own. */
const ENTRY_BYTES = 300;

/** Ids of texts by the digest of tokenizer and text. Those used longest ago make room. */
export class TokenCache {
  readonly #entries = new Map<string, Int32Array>();
  #bytes = 0;

  constructor(readonly maxBytes: number) {}

  get bytes(): number {
    return this.#bytes;
  }

  get(key: string): Int32Array | undefined {
    const ids = this.#entries.get(key);
    if (ids === undefined) return undefined;
    this.#entries.delete(key);
    this.#entries.set(key, ids);
    return ids;
  }

  set(key: string, ids: Int32Array): void {
    if (this.#entries.has(key)) return;
    this.#entries.set(key, ids);
    this.#bytes += sizeOf(ids);
    for (const [oldest, old] of this.#entries) {
      if (this.#bytes <= this.maxBytes) break;
      this.#entries.delete(oldest);
      this.#bytes -= sizeOf(old);
    }
  }
}

function sizeOf(ids: Int32Array): number {
  return ids.byteLength + ENTRY_BYTES;
}
