export class Interrupted extends Error {
  override readonly name = 'Interrupted';

  constructor() {
    super('Interrupted; start again when you like.');
  }
}

/** Aborted by Ctrl-C or SIGTERM. A second Ctrl-C ends the process at once. */
export function onInterrupt(): AbortSignal {
  const interrupt = new AbortController();
  const ask = (signal: NodeJS.Signals) => {
    if (interrupt.signal.aborted && signal === 'SIGINT') process.exit(130);
    interrupt.abort(new Interrupted());
  };
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, ask);
  return interrupt.signal;
}
