import type { Msg, MsgHdrs } from '@nats-io/transport-node';
import { SolopoError } from '@solopo/contracts';
import type { NatsConnection } from './connection.ts';
import { WORK } from './streams.ts';

const PULL_LIMIT_MS = 5000;
const ACK_LIMIT_MS = 5000;
/** The server's status for a pull that found nothing. */
const NO_MESSAGES = 404;
/** `$JS.ACK.<stream>.<consumer>.<delivered>.<sequence>.<...>`: 9 tokens; the longer form has domain and account before the stream. */
const SHORT_FORM = 9;

/** A message of the work queue, given to this process for as long as the ack wait. */
export class Delivery {
  /** How often the message was given to a process, from 1. */
  readonly count: number;
  /** In the stream. */
  readonly sequence: number;

  constructor(
    private readonly connection: NatsConnection,
    private readonly message: Msg,
  ) {
    const tokens = (message.reply ?? '').split('.');
    const at = tokens.length === SHORT_FORM ? 4 : 6;
    this.count = Number(tokens[at]);
    this.sequence = Number(tokens[at + 1]);
  }

  get subject(): string {
    return this.message.subject;
  }

  get headers(): MsgHdrs | undefined {
    return this.message.headers;
  }

  get data(): Uint8Array {
    return this.message.data;
  }

  text(): string {
    return this.message.string();
  }

  /** The ack wait begins anew. */
  working(): void {
    if (!this.connection.isClosed()) this.message.respond('+WPI');
  }

  /** Done: resolves when the server has it. */
  async acknowledge(): Promise<void> {
    await this.connection.request(this.message.reply ?? '', '+ACK', { timeout: ACK_LIMIT_MS });
  }

  /** To whoever asks next, after the delay. */
  giveBack(delayMs = 0): void {
    this.message.respond(delayMs > 0 ? `-NAK ${JSON.stringify({ delay: Math.ceil(delayMs) * 1_000_000 })}` : '-NAK');
  }

  /** Nobody gets it again. */
  end(): void {
    this.message.respond('+TERM');
  }
}

/** The next message of a consumer of the work queue, if there is one now. The client's own pulls wait a second at least. */
export async function pullNow(connection: NatsConnection, consumer: string): Promise<Delivery | null> {
  const message = await connection.request(
    `$JS.API.CONSUMER.MSG.NEXT.${WORK}.${consumer}`,
    JSON.stringify({ batch: 1, no_wait: true }),
    // A job comes under its own subject, by which the inbox that requests share could not tell whose it is.
    { timeout: PULL_LIMIT_MS, noMux: true },
  );
  const { code = 0, description = '' } = message.headers ?? {};
  if (code === 0) return new Delivery(connection, message);
  if (code === NO_MESSAGES) return null;
  throw new SolopoError('not-ready', `The queue ${consumer} gave no job (${code} ${description}); it is asked again.`);
}
