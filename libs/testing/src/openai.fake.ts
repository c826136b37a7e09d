import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface Asked {
  readonly path: string;
  readonly headers: IncomingMessage['headers'];
  readonly body: Readonly<Record<string, unknown>>;
}

export interface Answer {
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string>>;
  /** JSON, or a text as it is. */
  readonly body: unknown;
  /** Nothing is answered before. */
  readonly afterMs?: number;
}

/** What it answers to a path; `undefined` is 404. */
export type Behaviour = (asked: Asked) => Answer | undefined | Promise<Answer | undefined>;

/** No server of models: it takes requests as one does and answers what a test says. */
export class FakeOpenAiServer {
  readonly asked: Asked[] = [];
  /** Requests under way at the same time, at most. */
  mostAtOnce = 0;
  #underWay = 0;
  readonly #server = createServer((request, response) => void this.#answer(request, response));

  private constructor(public behaviour: Behaviour) {}

  static async start(behaviour: Behaviour, port = 0): Promise<FakeOpenAiServer> {
    const fake = new FakeOpenAiServer(behaviour);
    fake.#server.listen(port, '127.0.0.1');
    await once(fake.#server, 'listening');
    return fake;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  to(path: string): Asked[] {
    return this.asked.filter((each) => each.path === path);
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, 'close');
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    this.#underWay += 1;
    this.mostAtOnce = Math.max(this.mostAtOnce, this.#underWay);
    const parts: Buffer[] = [];
    for await (const part of request) parts.push(part as Buffer);
    const text = Buffer.concat(parts).toString('utf8');
    const asked = {
      path: request.url ?? '',
      headers: request.headers,
      body: (text === '' ? {} : JSON.parse(text)) as Asked['body'],
    };
    this.asked.push(asked);
    const answer = (await this.behaviour(asked)) ?? { status: 404, body: { detail: 'Not Found' } };
    if (answer.afterMs !== undefined) await new Promise((resolve) => setTimeout(resolve, answer.afterMs).unref());
    this.#underWay -= 1;
    response.writeHead(answer.status ?? 200, { 'content-type': 'application/json', ...answer.headers });
    response.end(typeof answer.body === 'string' ? answer.body : JSON.stringify(answer.body));
  }
}
