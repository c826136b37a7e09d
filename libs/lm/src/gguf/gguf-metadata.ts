import { inShort } from '@solopo/text';
import { ModelError } from '../model.error.ts';
import type { GgufFile, GgufValue } from './gguf-file.ts';

/** Typed reading of GGUF's metadata; every refusal names the file and the key. */
export class GgufMetadata {
  /** @param prefix before every key: the architecture's */
  constructor(
    private readonly file: Pick<GgufFile, 'label' | 'metadata'>,
    private readonly prefix = '',
  ) {}

  get(key: string): GgufValue | undefined {
    return this.file.metadata.get(this.prefix + key);
  }

  number(key: string): number {
    const value = this.get(key);
    return typeof value === 'number' ? value : this.refuse(key, 'must be a number', value);
  }

  optionalNumber(key: string): number | undefined {
    return this.get(key) === undefined ? undefined : this.number(key);
  }

  text(key: string): string {
    const value = this.get(key);
    return typeof value === 'string' ? value : this.refuse(key, 'must be a text', value);
  }

  optionalText(key: string): string | undefined {
    return this.get(key) === undefined ? undefined : this.text(key);
  }

  refuse(key: string, what: string, value: unknown): never {
    const shown = value === undefined ? 'missing' : inShort(value, 60);
    throw new ModelError(`${this.file.label}: ${this.prefix}${key} ${what}, not ${shown}; convert the model again`);
  }
}

/** A float32 as the shortest decimal that stands for it: 9.999999747378752e-6 is 1e-5. */
export function shortest(value: number): number {
  for (let digits = 1; digits < 10; digits++) {
    const rounded = Number(value.toPrecision(digits));
    if (Math.fround(rounded) === Math.fround(value)) return rounded;
  }
  return value;
}
