import { createReadStream } from 'node:fs';
import type { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  AbortMultipartUploadCommand,
  DeleteObjectCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListMultipartUploadsCommand,
  ListObjectsV2Command,
  S3Client,
} from '@aws-sdk/client-s3';
import { Upload } from '@aws-sdk/lib-storage';
import { isDigest, missing, placeOf, type KeptArtifact } from './artifact.store.ts';
import { bucketFault, isConnection, isNoSuchKey } from './bucket.faults.ts';
import { nameOf, type BucketLocation } from './bucket.location.ts';

export interface BucketPatience {
  /** Requests for one answer, with growing pauses of random length between them: some ten seconds in all. */
  readonly attempts: number;
  /** Without a byte on a connection. */
  readonly idleMs: number;
}

export interface BucketObject {
  readonly bytes: number;
  /** Another one when other content is there. */
  readonly identity: string;
  readonly storedAt: Date;
}

const PATIENCE: BucketPatience = { attempts: 8, idleMs: 30_000 };
const CONNECT_MS = 5000;
const FIRST_PAUSE_MS = 100;
/** In memory while a file is sent: so many parts of such a size, which is more where there would be too many parts. */
const PARTS_AT_ONCE = 3;
const PART_BYTES = 8 << 20;
const MOST_PARTS = 9000;
const DAY_MS = 86_400_000;

/** Artifacts in a bucket, each an object whose key is its digest. Every error has a name. */
export class Bucket {
  readonly #client: S3Client;

  constructor(
    readonly location: BucketLocation,
    private readonly patience: BucketPatience = PATIENCE,
  ) {
    const { attempts, idleMs } = patience;
    const { endpoint, pathStyle, keys } = location;
    // A server of one's own has mostly no regions, and takes the usual name.
    const region = location.region ?? (endpoint === undefined ? undefined : 'us-east-1');
    this.#client = new S3Client({
      ...(endpoint === undefined ? {} : { endpoint }),
      ...(region === undefined ? {} : { region }),
      ...(keys === undefined ? {} : { credentials: keys }),
      forcePathStyle: pathStyle,
      maxAttempts: attempts,
      // The digest tells more than a checksum.
      responseChecksumValidation: 'WHEN_REQUIRED',
      requestHandler: { connectionTimeout: CONNECT_MS, socketTimeout: idleMs },
    });
  }

  get name(): string {
    return nameOf(this.location);
  }

  /** Whether the bucket is there and lets us in. */
  async check(): Promise<void> {
    const { bucket, prefix } = this.location;
    await this.#named(() =>
      this.#client.send(new ListObjectsV2Command({ Bucket: bucket, Prefix: prefix, MaxKeys: 1 })),
    );
  }

  /** Its bytes; undefined where there is none. */
  async size(digest: string): Promise<number | undefined> {
    return (await this.describe(digest))?.bytes;
  }

  /** Undefined where there is none. */
  async describe(digest: string): Promise<BucketObject | undefined> {
    return this.#named(async () => {
      try {
        const head = await this.#client.send(new HeadObjectCommand(this.#object(digest)));
        const { ContentLength: bytes = 0, ETag = '', LastModified } = head;
        const storedAt = LastModified ?? new Date();
        return { bytes, identity: `${ETag} ${LastModified?.getTime() ?? ''} ${bytes}`, storedAt };
      } catch (error) {
        if (isNoSuchKey(error)) return undefined;
        throw error;
      }
    });
  }

  /** Its bytes, of which there are so many, from the given one on. Where a connection breaks another one goes on. */
  async *content(digest: string, bytes: number, from = 0): AsyncGenerator<Uint8Array, void, undefined> {
    let [at, breaks] = [from, 0];
    while (at < bytes) {
      let fault: unknown = Object.assign(new Error('the answer ended too early'), {
        code: 'ERR_STREAM_PREMATURE_CLOSE',
      });
      const body = await this.#read(digest, at);
      try {
        for await (const chunk of body as AsyncIterable<Buffer>) {
          at += chunk.byteLength;
          breaks = 0;
          yield chunk;
        }
      } catch (error) {
        fault = error;
      }
      if (at >= bytes) return;
      breaks += 1;
      if (!isConnection(fault) || breaks >= this.patience.attempts) throw bucketFault(fault, this.location);
      await sleep(Math.random() * FIRST_PAUSE_MS * 2 ** breaks);
    }
  }

  /** Sends the file, in parts where it is large. It is there as a whole, or not at all. */
  async write(digest: string, path: string, bytes: number): Promise<void> {
    await this.#named(async () => {
      const upload = new Upload({
        client: this.#client,
        params: { ...this.#object(digest), Body: createReadStream(path), ContentType: 'application/octet-stream' },
        queueSize: PARTS_AT_ONCE,
        partSize: Math.max(PART_BYTES, Math.ceil(bytes / MOST_PARTS)),
      });
      await upload.done();
    });
  }

  async *list(): AsyncGenerator<KeptArtifact, void, undefined> {
    const { bucket, prefix } = this.location;
    for (let from: string | undefined, more = true; more;) {
      const page = await this.#named(() =>
        this.#client.send(
          new ListObjectsV2Command({ Bucket: bucket, Prefix: prefix, ...(from && { ContinuationToken: from }) }),
        ),
      );
      for (const { Key = '', Size: bytes = 0, LastModified: storedAt = new Date() } of page.Contents ?? []) {
        const digest = Key.split('/').at(-1) ?? '';
        if (isDigest(digest) && Key === `${prefix}${placeOf(digest)}`) yield { digest, bytes, storedAt };
      }
      from = page.NextContinuationToken;
      more = page.IsTruncated === true && from !== undefined;
    }
  }

  async remove(digest: string): Promise<void> {
    await this.#named(() => this.#client.send(new DeleteObjectCommand(this.#object(digest))));
  }

  /** Drops what writers left that were killed halfway: their parts take room, and are no objects. A thousand at a time. */
  async dropAbandoned(olderThanMs = DAY_MS): Promise<void> {
    const { bucket, prefix } = this.location;
    await this.#named(async () => {
      const { Uploads = [] } = await this.#client.send(
        new ListMultipartUploadsCommand({ Bucket: bucket, Prefix: prefix }),
      );
      for (const { Key, UploadId, Initiated } of Uploads)
        if (Initiated !== undefined && Date.now() - Initiated.getTime() > olderThanMs)
          await this.#client.send(new AbortMultipartUploadCommand({ Bucket: bucket, Key, UploadId }));
    });
  }

  async #read(digest: string, from: number): Promise<Readable> {
    return this.#named(async () => {
      try {
        const range = from === 0 ? {} : { Range: `bytes=${from}-` };
        const { Body } = await this.#client.send(new GetObjectCommand({ ...this.#object(digest), ...range }));
        return Body as Readable;
      } catch (error) {
        throw isNoSuchKey(error) ? missing(digest) : error;
      }
    });
  }

  #object(digest: string): { readonly Bucket: string; readonly Key: string } {
    return { Bucket: this.location.bucket, Key: `${this.location.prefix}${placeOf(digest)}` };
  }

  async #named<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      throw bucketFault(error, this.location);
    }
  }
}
