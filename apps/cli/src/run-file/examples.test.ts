import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { describe, expect, it } from 'vitest';
import { readRunFile } from './run-file.ts';
import { runSchema } from './run.schema.ts';

const FOLDER = fileURLToPath(new URL('../../../../examples', import.meta.url));
const SCHEMA = fileURLToPath(new URL('../../run.schema.json', import.meta.url));
const FILES = readdirSync(FOLDER, { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.yaml'));
const accepts = new Ajv2020({ strict: false, formats: { includes: true } }).compile(runSchema());

describe.each(FILES)('examples/%s', (file) => {
  const source = readFileSync(join(FOLDER, file), 'utf8');

  it('is a run, for the program and for editors', () => {
    const config = readRunFile(source, file);
    expect(accepts(config), JSON.stringify(accepts.errors)).toBe(true);
  });

  it('names its schema to editors', () => {
    const [, path = ''] = /^# yaml-language-server: \$schema=(\S+)$/m.exec(source) ?? [];
    const named = join(FOLDER, dirname(file), path);
    expect(named).toBe(SCHEMA);
    expect(existsSync(named)).toBe(true);
  });
});

it('there are examples', () => {
  expect(FILES.length).toBeGreaterThan(3);
});
