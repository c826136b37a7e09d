import { Inject, Injectable } from '@nestjs/common';
import { digestOf, SolopoError, type DatasetFormat, type DatasetView, type Example } from '@solopo/contracts';
import { linesOf, readExamples, type ReadLine } from '@solopo/corpus';
import { Ledger } from '@solopo/ledger';

interface Command {
  readonly name: string;
  readonly format: DatasetFormat;
  /** JSON lines in UTF-8. */
  readonly content: AsyncIterable<Uint8Array>;
}

const KEPT_REJECTIONS = 100;
const MAX_REASON = 500;

@Injectable()
export class ImportDataset {
  constructor(@Inject(Ledger) private readonly ledger: Ledger) {}

  /** Lines that cannot be read are reported, the rest is imported. The digest covers the examples alone, whatever format they came in. */
  async execute({ name, format, content }: Command): Promise<DatasetView> {
    const { examples, digest, rejected, rejectedCount } = await read(content, format);
    if (examples.length === 0) {
      const [first] = rejected;
      const found =
        first === undefined
          ? 'The body has no lines'
          : `No line of the body is an example; line ${first.line}: ${first.reason}`;
      throw new SolopoError('dataset-invalid', `${found}. Send JSON lines in the format "${format}".`, {
        details: { rejected, rejectedCount },
      });
    }
    await this.ledger.transaction((tx) =>
      tx.datasets.register({ digest, name, format, rejected, rejectedCount }, examples),
    );
    return this.#imported(digest, name);
  }

  async #imported(digest: string, name: string): Promise<DatasetView> {
    const datasets = await this.ledger.datasets.list();
    return (
      datasets.find((dataset) => dataset.digest === digest && dataset.name === name) ??
      this.ledger.datasets.require(digest)
    );
  }
}

async function read(content: AsyncIterable<Uint8Array>, format: DatasetFormat) {
  const examples: Example[] = [];
  const digests: string[] = [];
  const rejected: DatasetView['rejected'][number][] = [];
  let rejectedCount = 0;
  for await (const line of readExamples(linesOf(content), format)) {
    const reason = rejectionOf(line);
    if (reason !== undefined) {
      rejectedCount += 1;
      if (rejected.length < KEPT_REJECTIONS) rejected.push({ line: line.line, reason: storable(reason) });
    } else if ('example' in line) {
      examples.push(line.example);
      digests.push(digestOf(line.example));
    }
  }
  return { examples, digest: digestOf(digests), rejected, rejectedCount };
}

function rejectionOf(line: ReadLine): string | undefined {
  if ('reason' in line) return line.reason;
  return line.example.id.includes('\0') ? 'id: must not contain NUL' : undefined;
}

/** Reasons quote what they were given. */
function storable(reason: string): string {
  return reason.slice(0, MAX_REASON).replaceAll('\0', '\uFFFD').toWellFormed();
}
