import { createReadStream, createWriteStream } from 'node:fs';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { Inject, Injectable } from '@nestjs/common';
import { ArtifactStore } from '@solopo/artifacts';
import { digestOf, SolopoError, type DatasetFormat, type DatasetView, type Example } from '@solopo/contracts';
import { exampleLine, readExamples } from '@solopo/corpus';
import { Ledger } from '@solopo/ledger';

interface Command {
  readonly name: string;
  readonly format: DatasetFormat;
  /** JSON lines or a JSON array, in UTF-8. */
  readonly content: AsyncIterable<Uint8Array>;
}

const KEPT_REJECTIONS = 100;
const MAX_REASON = 500;

@Injectable()
export class ImportDataset {
  constructor(
    @Inject(Ledger) private readonly ledger: Ledger,
    @Inject(ArtifactStore) private readonly artifacts: ArtifactStore,
  ) {}

  /**
   * Lines that cannot be read are reported, the rest is imported. The digest covers the examples alone, whatever format
   * they came in; until it is known they wait on the disk.
   */
  async execute({ name, format, content }: Command): Promise<DatasetView> {
    return this.artifacts.scratch(async (path) => {
      const reading = new Reading();
      await pipeline(Readable.from(reading.examples(content, format)), createWriteStream(path));
      const { digests, rejected, rejectedCount } = reading;
      if (digests.length === 0) throw nothingIn(reading, format);
      const digest = digestOf(digests);
      await this.ledger.transaction((tx) =>
        tx.datasets.register(
          { digest, name, format, examples: digests.length, rejected, rejectedCount },
          examplesIn(path),
        ),
      );
      return this.#imported(digest, name);
    });
  }

  async #imported(digest: string, name: string): Promise<DatasetView> {
    const datasets = await this.ledger.datasets.list();
    return (
      datasets.find((dataset) => dataset.digest === digest && dataset.name === name) ??
      this.ledger.datasets.require(digest)
    );
  }
}

/** What is known of a body once it was read. */
class Reading {
  readonly digests: string[] = [];
  readonly rejected: DatasetView['rejected'][number][] = [];
  rejectedCount = 0;

  /** Its examples as lines of the own format. */
  async *examples(content: AsyncIterable<Uint8Array>, format: DatasetFormat): AsyncGenerator<string, void, undefined> {
    for await (const read of readExamples(content, format)) {
      if ('example' in read) {
        this.digests.push(digestOf(read.example));
        yield exampleLine(read.example);
        continue;
      }
      this.rejectedCount += 1;
      if (this.rejected.length < KEPT_REJECTIONS)
        this.rejected.push({ line: read.line, reason: storable(read.reason) });
    }
  }
}

async function* examplesIn(path: string): AsyncGenerator<Example, void, undefined> {
  for await (const read of readExamples(createReadStream(path), 'solopo', { maxLength: Infinity })) {
    if ('reason' in read)
      throw new SolopoError('internal', `An example was lost on the disk: ${read.reason}; send the data set again.`);
    yield read.example;
  }
}

function nothingIn({ rejected, rejectedCount }: Reading, format: DatasetFormat): SolopoError {
  const [first] = rejected;
  const found =
    first === undefined
      ? 'The body has no lines'
      : `No line of the body is an example; line ${first.line}: ${first.reason}`;
  return new SolopoError('dataset-invalid', `${found}. Send JSON lines or a JSON array in the format "${format}".`, {
    details: { rejected, rejectedCount },
  });
}

/** Reasons quote what they were given. */
function storable(reason: string): string {
  return reason.slice(0, MAX_REASON).replaceAll('\0', '\uFFFD').toWellFormed();
}
