import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';

/** A way to a server of this machine that may be bad: what passes through it is late, lost, or comes to an end. */
export interface TestProxy {
  readonly port: number;
  /** What passes from now on is so late, in both directions. */
  slow(delayMs: number): void;
  /** Connections end, and new ones end at once. */
  cut(): void;
  /** The connections that there are carry nothing any more, and neither side is told; new ones do. Returns how many. */
  silence(): number;
  /** Neither slow nor cut. What was silenced stays so. */
  mend(): void;
  stop(): Promise<void>;
}

interface Link {
  readonly sides: readonly [client: Socket, server: Socket];
  isSilent: boolean;
}

/** @param port of the server on loopback, which may come and go */
export async function startProxy(port: number): Promise<TestProxy> {
  const links = new Set<Link>();
  let delayMs = 0;
  let isCut = false;
  const end = (link: Link): void => {
    links.delete(link);
    for (const side of link.sides) side.destroy();
  };
  const listener = createServer((client) => {
    client.on('error', () => undefined);
    if (isCut) return void client.destroy();
    const link: Link = { sides: [client, connect(port, '127.0.0.1')], isSilent: false };
    links.add(link);
    const [, server] = link.sides;
    for (const [from, to] of [
      [client, server],
      [server, client],
    ] as const) {
      from.setNoDelay(true);
      from.on('error', () => undefined);
      const pass = inOrder((chunk) => !to.destroyed && !link.isSilent && to.write(chunk));
      from.on('data', (chunk: Buffer) => !link.isSilent && pass(chunk, delayMs));
      // Of a silent one the other side never hears.
      from.on('close', () => !link.isSilent && end(link));
    }
  });
  listener.listen(0, '127.0.0.1');
  await once(listener, 'listening');
  return {
    port: (listener.address() as AddressInfo).port,
    slow: (ms) => (delayMs = ms),
    cut: () => {
      isCut = true;
      for (const link of links) end(link);
    },
    silence: () => {
      const whole = [...links].filter(({ isSilent }) => !isSilent);
      for (const link of whole) link.isSilent = true;
      return whole.length;
    },
    mend: () => {
      delayMs = 0;
      isCut = false;
    },
    stop: async () => {
      for (const link of links) end(link);
      listener.close();
      await once(listener, 'close');
    },
  };
}

/** Passes each chunk on when its time has come, and none before those that came first. */
function inOrder(write: (chunk: Buffer) => void): (chunk: Buffer, delayMs: number) => void {
  const waiting: { readonly chunk: Buffer; readonly due: number }[] = [];
  let timer: NodeJS.Timeout | undefined;
  const pump = (): void => {
    timer = undefined;
    for (;;) {
      const [head] = waiting;
      if (head === undefined) return;
      const leftMs = head.due - performance.now();
      if (leftMs > 0) return void (timer = setTimeout(pump, leftMs));
      waiting.shift();
      write(head.chunk);
    }
  };
  return (chunk, delayMs) => {
    waiting.push({ chunk, due: performance.now() + delayMs });
    if (timer === undefined) pump();
  };
}
