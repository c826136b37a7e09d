import { inShort } from '@solopo/text';
import { ModelError } from './model.error.ts';

/** Typed reading of a JSON object of settings; every refusal names the setting. */
export class ConfigReader {
  readonly #json: Readonly<Record<string, unknown>>;
  readonly #path: string;

  constructor(json: unknown, path = 'config.json') {
    if (json === null || typeof json !== 'object' || Array.isArray(json))
      throw new ModelError(`${path} is not a JSON object; fetch the file again`);
    this.#json = json as Readonly<Record<string, unknown>>;
    this.#path = path;
  }

  get path(): string {
    return this.#path;
  }

  get keys(): readonly string[] {
    return Object.keys(this.#json);
  }

  get(key: string): unknown {
    return this.#json[key];
  }

  whole(key: string, fallback?: number): number {
    const value = this.#json[key] ?? fallback;
    if (!Number.isSafeInteger(value) || (value as number) <= 0)
      this.#refuse(key, 'must be a positive whole number', value);
    return value as number;
  }

  optionalWhole(key: string): number | null {
    return this.#json[key] === null || this.#json[key] === undefined ? null : this.whole(key);
  }

  /** A whole number, 0 too. */
  count(key: string): number {
    const value = this.#json[key];
    if (!Number.isSafeInteger(value) || (value as number) < 0)
      this.#refuse(key, 'must be a whole number from 0 on', value);
    return value as number;
  }

  number(key: string, fallback: number): number {
    const value = this.#json[key] ?? fallback;
    if (typeof value !== 'number') this.#refuse(key, 'must be a number', value);
    return value;
  }

  positive(key: string, fallback?: number): number {
    const value = this.#json[key] ?? fallback;
    if (typeof value !== 'number' || !(value > 0)) this.#refuse(key, 'must be a positive number', value);
    return value;
  }

  optionalPositive(key: string): number | null {
    return this.#json[key] === null || this.#json[key] === undefined ? null : this.positive(key);
  }

  /** As optionalPositive, where 0 says as little as null: Python's `or`. */
  positiveOrNone(key: string): number | null {
    return this.#json[key] === 0 ? null : this.optionalPositive(key);
  }

  flag(key: string, fallback = false): boolean {
    const value = this.#json[key] ?? fallback;
    if (typeof value !== 'boolean') this.#refuse(key, 'must be true or false', value);
    return value;
  }

  /** An object inside, or undefined. */
  section(key: string): ConfigReader | undefined {
    const value = this.#json[key];
    return value === null || value === undefined ? undefined : new ConfigReader(value, `${this.#path}: ${key}`);
  }

  /** @throws ModelError unless the setting has one of the supported values, with what else to do than to correct it */
  only(key: string, supported: readonly unknown[], otherwise = 'register another model'): void {
    const value = this.#json[key];
    if (!supported.includes(value)) {
      const known = supported.filter((item) => item !== undefined).map((item) => JSON.stringify(item));
      this.#refuse(key, `is supported only as ${known.join(' or ')}`, value, otherwise);
    }
  }

  #refuse(key: string, what: string, value: unknown, otherwise = 'fetch the file again'): never {
    const given = value === undefined ? 'missing; add it' : `${inShort(value)}; correct it`;
    throw new ModelError(`${this.#path}: ${key} ${what}, not ${given}, or ${otherwise}`);
  }
}
