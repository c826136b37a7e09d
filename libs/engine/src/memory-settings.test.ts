import { expect, test } from 'vitest';
import { memorySettings } from './memory-settings.ts';

const OWN =
  'glibc.malloc.hugetlb=1:glibc.malloc.mmap_threshold=4000000000:glibc.malloc.trim_threshold=8000000000:glibc.malloc.arena_max=1:glibc.malloc.mxfast=0:glibc.malloc.tcache_count=0';

test("one setting of the environment replaces that one; the engine's others stay", () => {
  expect(memorySettings()).toBe(OWN);
  expect(memorySettings('')).toBe(OWN);
  expect(memorySettings('glibc.malloc.arena_max=4')).toBe(OWN.replace('arena_max=1', 'arena_max=4'));
  expect(memorySettings('glibc.pthread.rseq=0:glibc.malloc.hugetlb=0')).toBe(
    `${OWN.replace('hugetlb=1', 'hugetlb=0')}:glibc.pthread.rseq=0`,
  );
  expect(memorySettings('glibc.malloc.hugetlb=0:glibc.malloc.hugetlb=2')).toBe(OWN.replace('hugetlb=1', 'hugetlb=2'));
});

test('entries that glibc cannot read are left out', () => {
  expect(memorySettings('glibc.malloc.arena_max:=3:glibc.malloc.hugetlb=:a=b=c::glibc.malloc.mxfast=64')).toBe(
    OWN.replace('mxfast=0', 'mxfast=64'),
  );
});
