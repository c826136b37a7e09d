import { inShort } from '@solopo/text';
import type { ConfigReader } from './config-reader.ts';
import { ModelError } from './model.error.ts';

/** What becomes of every key of a settings file: none is left aside unseen. */
export interface SettingRules {
  readonly read: ReadonlySet<string>;
  /** Keys that change no logit, and why. */
  readonly withoutEffect: Readonly<Record<string, string>>;
  /** Keys that ask for what is not computed here unless they are off, and what to do. */
  readonly refused: Readonly<Record<string, string>>;
  /** What an unknown key may be a setting of. */
  readonly of: string;
}

export type SettingFate = 'read' | 'without effect' | 'refused' | 'unknown';

export function fateOf(key: string, { read, withoutEffect, refused }: SettingRules): SettingFate {
  if (read.has(key)) return 'read';
  if (Object.hasOwn(withoutEffect, key)) return 'without effect';
  return Object.hasOwn(refused, key) ? 'refused' : 'unknown';
}

/**
 * A key that no rule names may stand for other arithmetic, as those of a fork do, so it is refused, but for one that says no:
 * null, false, 0, or nothing in it.
 * @throws ModelError that names the key, and says what to do
 */
export function demandKnownSettings(settings: ConfigReader, rules: SettingRules): void {
  for (const key of settings.keys) {
    const fate = fateOf(key, rules);
    if (fate === 'read' || fate === 'without effect' || isOff(settings.get(key))) continue;
    const value = inShort(settings.get(key), 80);
    throw new ModelError(
      fate === 'refused'
        ? `${settings.path}: ${key} ${value} is not supported: ${rules.refused[key]}`
        : `${settings.path}: ${key} ${value} is not among the settings of ${rules.of}, and may ask for what is not computed here; remove it if the model does without`,
    );
  }
}

/** Keys that are there, and on, and change nothing, with the reason. */
export function idleSettings(settings: ConfigReader, { withoutEffect }: SettingRules): [key: string, why: string][] {
  return settings.keys.flatMap((key) => {
    const why = Object.hasOwn(withoutEffect, key) && !isOff(settings.get(key)) ? withoutEffect[key] : undefined;
    return why === undefined ? [] : [[key, why] as [string, string]];
  });
}

function isOff(value: unknown): boolean {
  if (typeof value === 'object' && value !== null) return Object.keys(value).length === 0;
  return value === undefined || value === null || value === false || value === 0 || value === '';
}
