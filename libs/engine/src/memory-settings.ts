/**
 * Big tensors come and go: from huge pages they cost a third, and memory that was freed is kept, since the system would
 * clear it again each time. An aligned block leaves a few bytes before and behind it, and only with them is it large enough
 * for the next one of its size: they must not wait in a cache of small pieces (docs/log.md). The value of GLIBC_TUNABLES,
 * which glibc alone reads.
 */
export const MEMORY_SETTINGS = [
  'glibc.malloc.hugetlb=1',
  'glibc.malloc.mmap_threshold=4000000000',
  'glibc.malloc.trim_threshold=8000000000',
  'glibc.malloc.arena_max=1',
  'glibc.malloc.mxfast=0',
  'glibc.malloc.tcache_count=0',
].join(':');
