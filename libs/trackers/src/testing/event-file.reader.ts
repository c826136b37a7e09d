import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

export interface Scalar {
  readonly tag: string;
  readonly step: number;
  readonly value: number;
  readonly wallTime: number;
}

/**
 * Reads event files by their published layout alone, sharing nothing with what writes them. Checksums are left to their
 * own test; a length that leads astray throws.
 */
export function readEventFiles(folder: string): { readonly version: string; readonly scalars: readonly Scalar[] } {
  const files = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((name) => name.includes('tfevents'));
  const scalars: Scalar[] = [];
  let version = '';
  for (const name of files) {
    const view = new DataView(Uint8Array.from(readFileSync(join(folder, name))).buffer);
    for (let at = 0; at < view.byteLength;) {
      const length = view.getUint32(at, true);
      const event = new Message(view, at + 12, at + 12 + length);
      const wallTime = event.number(1);
      version = event.text(3) || version;
      for (const summary of event.messages(5))
        for (const value of summary.messages(1))
          scalars.push({ tag: value.text(1), step: event.number(2), value: value.number(2), wallTime });
      at += 12 + length + 4;
      if (at > view.byteLength) throw new Error(`${name} ends in the middle of a record`);
    }
  }
  return { version, scalars };
}

class Message {
  readonly #fields = new Map<number, (number | readonly [number, number])[]>();

  constructor(
    private readonly view: DataView,
    from: number,
    to: number,
  ) {
    let at = from;
    const varint = (): number => {
      let [value, shift] = [0n, 0n];
      for (;;) {
        const byte = BigInt(view.getUint8(at++));
        value |= (byte & 127n) << shift;
        if (byte < 128n) return Number(value);
        shift += 7n;
      }
    };
    while (at < to) {
      const key = varint();
      const add = (value: number | readonly [number, number]): void => {
        this.#fields.set(key >> 3, [...(this.#fields.get(key >> 3) ?? []), value]);
      };
      if ((key & 7) === 0) add(varint());
      else if ((key & 7) === 1) add(view.getFloat64((at += 8) - 8, true));
      else if ((key & 7) === 5) add(view.getFloat32((at += 4) - 4, true));
      else {
        const length = varint();
        add([at, (at += length)]);
      }
    }
    if (at !== to) throw new Error('a message ends where it should not');
  }

  number(field: number): number {
    const value = this.#fields.get(field)?.[0];
    return typeof value === 'number' ? value : 0;
  }

  text(field: number): string {
    const value = this.#fields.get(field)?.[0];
    if (value === undefined || typeof value === 'number') return '';
    return Buffer.from(this.view.buffer, value[0], value[1] - value[0]).toString();
  }

  messages(field: number): readonly Message[] {
    return (this.#fields.get(field) ?? []).flatMap((value) =>
      typeof value === 'number' ? [] : new Message(this.view, value[0], value[1]),
    );
  }
}
