import { request } from './api.js';

const PAUSES_MS = [300, 1000, 2000, 5000];
/** The gateway gives a sign of life every 15 seconds. */
const SILENCE_MS = 45_000;

/**
 * Follows a stream of server-sent events until the signal aborts, and comes back to where it was when it breaks off.
 * It is read with fetch, since an EventSource cannot carry a token.
 *
 * @param {string} path
 * @param {object} follower
 * @param {AbortSignal} follower.signal
 * @param {() => Promise<void>} follower.opened  Reads the history: what is said meanwhile waits.
 * @param {(event: object) => void} follower.received
 * @param {(state: 'live' | 'away') => void} follower.connection
 */
export async function follow(path, { signal, opened, received, connection }) {
  let lastId;
  let failures = 0;
  while (!signal.aborted) {
    const silence = new Silence(signal);
    try {
      const headers = { accept: 'text/event-stream', ...(lastId !== undefined && { 'last-event-id': lastId }) };
      const response = await request(`${path}?from=now`, { headers, signal: silence.signal });
      if (lastId === undefined) await opened();
      connection('live');
      failures = 0;
      for await (const { id, event, data } of messages(response.body, silence)) {
        // What was said in a stream that is lost is not said again: it is history, where it is known at all.
        if (event === 'restarted') await opened();
        else if (data !== undefined) received(JSON.parse(data));
        if (id !== undefined) lastId = id;
      }
    } catch (error) {
      if (signal.aborted) return;
      if (error.status !== undefined && error.status < 500 && error.status !== 429) throw error;
    } finally {
      silence.end();
    }
    if (signal.aborted) return;
    connection('away');
    await pause(PAUSES_MS[Math.min(failures++, PAUSES_MS.length - 1)], signal);
  }
}

async function* messages(body, silence) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let text = '';
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    silence.broken();
    const parts = (text + value).split('\n\n');
    text = parts.pop();
    for (const part of parts) yield messageOf(part);
  }
}

function messageOf(part) {
  const message = {};
  for (const line of part.split('\n')) {
    const colon = line.indexOf(':');
    if (colon > 0) message[line.slice(0, colon)] = line.slice(colon + 1).trimStart();
  }
  return message;
}

/** Aborts with its parent, or when nothing was heard for too long. */
class Silence {
  #controller = new AbortController();
  #timer;
  #parent;
  #abort = () => this.#controller.abort();

  constructor(parent) {
    this.#parent = parent;
    parent.addEventListener('abort', this.#abort, { once: true });
    this.broken();
  }

  get signal() {
    return this.#controller.signal;
  }

  broken() {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(this.#abort, SILENCE_MS);
  }

  end() {
    clearTimeout(this.#timer);
    this.#parent.removeEventListener('abort', this.#abort);
    this.#abort();
  }
}

function pause(ms, signal) {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms);
    signal.addEventListener('abort', () => (clearTimeout(timer), resolve()), { once: true });
  });
}
