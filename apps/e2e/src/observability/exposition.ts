export interface Family {
  readonly type: string;
  /** Label to the values it was seen with. */
  readonly labels: Map<string, Set<string>>;
}

/** Reads Prometheus's text format: metrics by name. */
export function readExposition(text: string, families = new Map<string, Family>()): Map<string, Family> {
  for (const line of text.split('\n')) {
    const declared = /^# TYPE (\S+) (\S+)$/.exec(line);
    if (declared) {
      const [, name = '', type = ''] = declared;
      if (!families.has(name)) families.set(name, { type, labels: new Map() });
      continue;
    }
    const sample = /^([a-z_][\w]*)(?:\{(.*)\})? \S+$/i.exec(line);
    if (!sample) continue;
    const family = familyOf(families, sample[1] ?? '');
    for (const [, label = '', value = ''] of (sample[2] ?? '').matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g)) {
      const values = family?.labels.get(label) ?? new Set();
      family?.labels.set(label, values.add(value));
    }
  }
  return families;
}

/** The metric that a sample belongs to: a histogram has samples of three names. */
export function familyOf<T>(families: ReadonlyMap<string, T>, sample: string): T | undefined {
  return families.get(sample) ?? families.get(sample.replace(/_(bucket|sum|count)$/, ''));
}
