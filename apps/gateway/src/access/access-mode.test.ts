import { expect, it } from 'vitest';
import { accessModeOf } from './access-mode.ts';

it.each([
  ['auto', '127.0.0.1', 'local'],
  ['auto', '127.8.0.1', 'local'],
  ['auto', 'localhost', 'local'],
  ['auto', '::1', 'local'],
  ['auto', '0.0.0.0', 'required'],
  ['auto', '::', 'required'],
  ['auto', '10.0.0.7', 'required'],
  ['auto', '127.0.0.1.example.org', 'required'],
  ['required', '127.0.0.1', 'required'],
  ['off', '0.0.0.0', 'off'],
] as const)('SOLOPO_AUTH=%s on %s: %s', (auth, httpHost, mode) => {
  expect(accessModeOf({ auth, httpHost })).toBe(mode);
});
