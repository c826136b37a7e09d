/** The process that composes contexts: it tokenizes, its parent stays responsive. It ends when its parent does. */
import { randomUUID } from 'node:crypto';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SolopoError, type Example } from '@solopo/contracts';
import {
  composeAt,
  composeContexts,
  DocumentFile,
  DocumentPool,
  documentsOf,
  hasControlToken,
  type ComposedContext,
} from '@solopo/corpus';
import type { NewContext } from '@solopo/ledger';
import { contextDigest } from '@solopo/pipeline';
import { TextModel, tokenizeHere } from '@solopo/text';
import type { ComposerTask, ComposerTasks, FromComposer, ToComposer } from './composer.tasks.ts';

// The tokenizers library may end this process as well as one of its own.
tokenizeHere();

let opened: { readonly folder: string; readonly text: Promise<TextModel> } | undefined;
let pool: { readonly name: string; readonly file: DocumentFile } | undefined;

async function textOf(folder: string): Promise<TextModel> {
  if (opened?.folder !== folder) opened = { folder, text: TextModel.fromFolder(folder) };
  return opened.text;
}

function fill(name: string, examples: readonly Example[]): null {
  if (pool?.name !== name) {
    pool?.file.close();
    pool = { name, file: new DocumentFile(join(tmpdir(), `solopo-documents-${randomUUID()}`)) };
  }
  pool.file.append(documentsOf(examples));
  return null;
}

async function pairs({ folder, examples, pool: name, ...rest }: ComposerTasks['pairs']['input']) {
  if (name !== undefined && pool?.name !== name)
    throw new SolopoError('internal', 'The composing process has not the pool of documents; the job is tried again.');
  const options = {
    ...rest,
    text: await textOf(folder),
    ...(pool && name ? { pool: new DocumentPool(pool.file) } : {}),
  };
  return examples.map((example) => {
    const made = composeContexts(example, options);
    const outcome =
      'refused' in made ? made : { short: newContext('short', made.short), long: newContext('long', made.long) };
    return { ...outcome, hasControlToken: hasControlToken(example, options.text.controlTokens) };
  });
}

async function at({ folder, examples, documents, ...rest }: ComposerTasks['at']['input']) {
  const options = { ...rest, text: await textOf(folder) };
  return examples.map((example) => {
    const made = composeAt(example, documents, options);
    const outcome = 'refused' in made ? made : { tokens: made.tokens };
    return { ...outcome, hasControlToken: hasControlToken(example, options.text.controlTokens) };
  });
}

function newContext(kind: 'short' | 'long', { tokens, evidence }: ComposedContext): NewContext {
  return { digest: contextDigest({ kind, tokens, evidence }), kind, tokens, evidence };
}

async function answer(request: ToComposer): Promise<ComposerTasks[ComposerTask]['output']> {
  if (request.task === 'fill') return fill(request.input.pool, request.input.examples);
  return request.task === 'pairs' ? pairs(request.input) : at(request.input);
}

const send = (message: FromComposer): void => void process.send?.(message);
let queue: Promise<unknown> = Promise.resolve();
process.on('message', (request: ToComposer) => {
  queue = queue.then(async () => {
    try {
      send({ id: request.id, output: await answer(request) });
    } catch (error) {
      const { code, message } = SolopoError.from(error);
      send({ id: request.id, code, message });
    }
  });
});
process.on('disconnect', () => process.exit(0));
// Ctrl-C reaches the whole group; the parent decides when the work ends.
process.on('SIGINT', () => undefined);
process.on('SIGTERM', () => undefined);
