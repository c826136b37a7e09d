import { once } from 'node:events';
import {
  createServer,
  type IncomingHttpHeaders,
  type IncomingMessage,
  type Server,
  type ServerResponse,
} from 'node:http';
import type { AddressInfo } from 'node:net';

export interface Received {
  readonly line: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}

/** A real HTTP server on loopback that keeps what it received. */
export class LocalServer {
  readonly received: Received[] = [];
  readonly #server: Server;

  private constructor(answer: (request: Received, response: ServerResponse) => void) {
    this.#server = createServer((request, response) => {
      void this.#keep(request).then((received) => answer(received, response));
    });
  }

  static async start(answer: (request: Received, response: ServerResponse) => void): Promise<LocalServer> {
    const server = new LocalServer(answer);
    server.#server.listen(0, '127.0.0.1');
    await once(server.#server, 'listening');
    return server;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }

  async #keep(request: IncomingMessage): Promise<Received> {
    const pieces: Buffer[] = [];
    for await (const piece of request) pieces.push(piece as Buffer);
    const received = {
      line: `${request.method} ${request.url}`,
      headers: request.headers,
      body: Buffer.concat(pieces),
    };
    this.received.push(received);
    return received;
  }
}

export function answerJson(
  response: ServerResponse,
  status: number,
  body: unknown,
  headers: Record<string, string> = {},
): void {
  const type = status < 400 ? 'application/json' : 'application/problem+json';
  response.writeHead(status, { 'content-type': type, ...headers }).end(JSON.stringify(body));
}
