import type { MessagePort } from 'node:worker_threads';

export interface TemplateWorkerData {
  readonly port: MessagePort;
  /** Counts what the worker has done: its start, then its replies. */
  readonly done: Int32Array;
}

export interface TemplateRequest {
  readonly source: string;
  /** What the template may name, as JSON. */
  readonly variables: string;
}

export type TemplateReply =
  { readonly text: string } | { readonly fault: 'not understood' | 'failed'; readonly reason: string };
