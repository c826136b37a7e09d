import { spawn } from 'node:child_process';
import { linesOf } from './lines.mjs';

/** Kept of what a process says beside its answers, to tell why it ended. */
const KEPT_CHARACTERS = 4000;
const LIMIT_MS = 300_000;

/**
 * A process that answers lines of JSON in lines of JSON, one after another. One that ends, or does not answer in time, is started again
 * with the next request; the request that it was at gets `{ died }`.
 */
export class LineServer {
  #command;
  #environment;
  #process;
  #said = '';
  #last = Promise.resolve();
  #answer;
  #closed = false;

  constructor(command, environment = process.env) {
    this.#command = command;
    this.#environment = environment;
  }

  ask(request) {
    const reply = this.#last.then(() => this.#ask(request));
    this.#last = reply;
    return reply;
  }

  async close() {
    this.#closed = true;
    this.#process?.stdin.end();
    this.#process?.kill();
  }

  #ask(request) {
    if (this.#closed) return { died: 'closed' };
    this.#process ??= this.#start();
    return new Promise((resolve) => {
      const timer = setTimeout(() => {
        this.#answer?.({ died: `no answer in ${LIMIT_MS / 1000} seconds` });
        this.#process?.kill('SIGKILL');
        this.#process = undefined;
      }, LIMIT_MS);
      this.#answer = (reply) => {
        clearTimeout(timer);
        this.#answer = undefined;
        resolve(reply);
      };
      this.#process.stdin.write(`${JSON.stringify(request)}\n`);
    });
  }

  async #read(stdout) {
    for await (const line of linesOf(stdout)) this.#answer?.(JSON.parse(line));
  }

  #start() {
    const [program, ...args] = this.#command;
    this.#said = '';
    // In a group of its own: an interrupt at the terminal is for the process that asks.
    const child = spawn(program, args, { env: this.#environment, stdio: ['pipe', 'pipe', 'pipe'], detached: true });
    child.stdin.on('error', () => undefined);
    child.stderr.setEncoding('utf8').on('data', (text) => {
      this.#said = (this.#said + text).slice(-KEPT_CHARACTERS);
    });
    void this.#read(child.stdout);
    const ended = (why) => {
      if (this.#process !== child) return;
      this.#process = undefined;
      this.#answer?.({ died: `${why}; its last words: ${this.#said.trim().slice(-500)}` });
    };
    child.on('error', (error) => ended(error.message));
    child.on('close', (code, signal) => ended(signal ?? `exit code ${code}`));
    return child;
  }
}
