// Readers with a fault each: what finds none in the product must find these (fuzz.test.ts). Asked for by name alone.
import { writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';

const numbers = () => fc.nat(1000);
const kept = [];

export const PLANTED = {
  'planted-type-error': {
    arbitrary: numbers,
    run: (number) => {
      return number > 700 ? undefined.length : 'read';
    },
  },
  'planted-hang': {
    arbitrary: numbers,
    run: (number) => {
      while (number > 900);
    },
  },
  'planted-write': {
    arbitrary: numbers,
    run: () => writeFileSync(join(tmpdir(), '..', 'solopo-fuzz-planted'), ''),
  },
  'planted-growth': {
    arbitrary: numbers,
    run: () => void kept.push(new Array(1000).fill(0)),
  },
  'planted-death': {
    arbitrary: numbers,
    run: (number) => {
      if (number > 900) process.kill(process.pid, 'SIGKILL');
    },
  },
  'planted-rejection': {
    arbitrary: numbers,
    run: (number) => {
      if (number > 990) void Promise.reject(new TypeError('nobody waits for this'));
    },
  },
};
