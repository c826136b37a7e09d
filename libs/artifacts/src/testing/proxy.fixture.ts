import { once } from 'node:events';
import { createServer, connect, type AddressInfo, type Socket } from 'node:net';

/** What goes wrong on the way from the server. */
export interface Trouble {
  /** The next connection breaks when so many bytes have passed. */
  breakAfter?: number;
  /** The next piece with this text has the other one in its place. */
  replace?: readonly [text: string, by: string];
}

/** Between a client and a server, to see what is asked and to spoil what is answered. */
export async function startProxy(port: number) {
  const asked: string[] = [];
  const trouble: Trouble = {};
  const sockets = new Set<Socket>();
  const server = createServer((client) => {
    const upstream = connect(port, '127.0.0.1');
    for (const socket of [client, upstream]) {
      sockets.add(socket);
      socket.on('error', () => undefined);
      socket.once('close', () => {
        sockets.delete(socket);
        client.destroy();
        upstream.destroy();
      });
    }
    client.on('data', (piece) => {
      for (const line of piece.toString('latin1').split('\r\n'))
        if (/^(GET|HEAD|PUT|POST|DELETE) \/|^range:/i.test(line)) asked.push(line.replace(/ HTTP.*/, ''));
      upstream.write(piece);
    });
    let passed = 0;
    upstream.on('data', (piece) => {
      let spoilt = piece;
      if (trouble.replace !== undefined && piece.includes(trouble.replace[0])) {
        spoilt = Buffer.from(piece.toString('latin1').replace(...trouble.replace), 'latin1');
        delete trouble.replace;
      }
      passed += spoilt.length;
      if (trouble.breakAfter !== undefined && passed > trouble.breakAfter) {
        const rest = spoilt.length - (passed - trouble.breakAfter);
        delete trouble.breakAfter;
        client.write(spoilt.subarray(0, rest), () => client.destroy());
        return;
      }
      client.write(spoilt);
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    /** Lines of requests, and their ranges. */
    asked,
    trouble,
    stop: async () => {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}
