/**
 * Big tensors come and go: from huge pages they cost a third, and memory that was freed is kept, since the system would
 * clear it again each time. An aligned block leaves a few bytes before and behind it, and only with them is it large enough
 * for the next one of its size: they must not wait in a cache of small pieces (docs/log.md).
 */
const OWN = [
  'glibc.malloc.hugetlb=1',
  'glibc.malloc.mmap_threshold=4000000000',
  'glibc.malloc.trim_threshold=8000000000',
  'glibc.malloc.arena_max=1',
  'glibc.malloc.mxfast=0',
  'glibc.malloc.tcache_count=0',
];

/**
 * The engine's value of GLIBC_TUNABLES, which glibc alone reads: the settings above, with those of the environment in place
 * of the ones that they name. An entry that is not NAME=VALUE is left out: newer glibc would ignore all of them for it.
 */
export function memorySettings(environment = ''): string {
  const entries = [...OWN, ...environment.split(':').filter((entry) => /^[^=]+=[^=]+$/.test(entry))];
  return [...new Map(entries.map((entry) => [entry.slice(0, entry.indexOf('=')), entry])).values()].join(':');
}

/** What this process's C library was started with; null where it reads no such settings. */
export function memorySettingsInForce(): string | null {
  if (process.platform !== 'linux') return null;
  const report = Object.assign(process.report, { excludeNetwork: true });
  const { header } = report.getReport() as { readonly header: { readonly glibcVersionRuntime?: string } };
  return header.glibcVersionRuntime === undefined ? null : (process.env.GLIBC_TUNABLES ?? null);
}
