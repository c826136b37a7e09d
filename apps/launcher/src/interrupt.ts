import { once } from 'node:events';

/** The first Ctrl-C (or SIGTERM, or a closed terminal) asks for an ordered stop; the second ends everything at once. */
export function onInterrupt(kill: () => void): AbortSignal {
  const interrupt = new AbortController();
  const ask = () => {
    if (interrupt.signal.aborted) {
      kill();
      process.exit(130);
    }
    interrupt.abort(new Interrupted());
  };
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, ask);
  return interrupt.signal;
}

/** Also when the interrupt came first. */
export async function interrupted(signal: AbortSignal): Promise<void> {
  if (!signal.aborted) await once(signal, 'abort');
}

export class Interrupted extends Error {
  override readonly name = 'Interrupted';

  constructor() {
    super('Interrupted; start again when you like.');
  }
}
