import { mkdir, open, readFile, truncate } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { TrackedRun } from '@solopo/ledger';
import { decodeEvent, encodeEvent, encodeVersion } from './event.proto.ts';
import { decodeRecords, encodeRecord } from './records.ts';
import { ACCURACY, HELD_OUT, isOfStep, type Entry, type Tracked, type Tracker } from './tracker.ts';

/** Event files, as `tensorboard --logdir FOLDER` reads them: a folder a run, an entry an event. The file itself says how far it is. */
export class TensorBoardTracker implements Tracker {
  readonly name = 'tensorboard';

  constructor(private readonly folder: string) {}

  async open(run: TrackedRun): Promise<Tracked> {
    const file = this.#file(run);
    await mkdir(dirname(file), { recursive: true });
    const content = await readFile(file).catch((error: unknown) => {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return Buffer.alloc(0);
      throw error;
    });
    const { records, bytes } = decodeRecords(content);
    if (bytes < content.length) await truncate(file, bytes);
    if (records.length === 0) await append(file, [encodeVersion(run.createdAt.getTime() / 1000)]);
    const events = records.slice(1).map(decodeEvent);
    const steps = events.filter(({ tags }) => tags.some(isOfStep)).map(({ step }) => step);
    return {
      step: steps.at(-1) ?? 0,
      keys: new Set(events.flatMap(({ step, tags: [tag] }) => (tag === undefined ? [] : keyOf(tag, step)))),
    };
  }

  async write(run: TrackedRun, entries: readonly Entry[]): Promise<void> {
    const events = entries.map(({ step, at, values }) => encodeEvent({ wallTime: at.getTime() / 1000, step, values }));
    await append(this.#file(run), events);
  }

  end(): Promise<void> {
    return Promise.resolve();
  }

  #file({ id, name, createdAt }: TrackedRun): string {
    const folder = `${name.replace(/[^\w.-]+/g, '-')}.${id}`;
    const seconds = Math.floor(createdAt.getTime() / 1000);
    return join(this.folder, folder, `events.out.tfevents.${seconds}.solopo`);
  }
}

function keyOf(tag: string, step: number): string[] {
  if (tag.startsWith(`${HELD_OUT}/`)) return [`${HELD_OUT}/${step}`];
  return tag.startsWith(`${ACCURACY}/`) ? [`${tag}/${step}`] : [];
}

async function append(path: string, messages: readonly Buffer[]): Promise<void> {
  const file = await open(path, 'a');
  try {
    await file.writeFile(Buffer.concat(messages.map(encodeRecord)));
    await file.datasync();
  } finally {
    await file.close();
  }
}
