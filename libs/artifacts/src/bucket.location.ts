import { SolopoError } from '@solopo/contracts';

/** Where a bucket is, and how to get in. */
export interface BucketLocation {
  readonly bucket: string;
  /** What all keys begin with: empty, or with a slash at its end. */
  readonly prefix: string;
  /** Of a server of one's own; Amazon's of the region without. */
  readonly endpoint: string | undefined;
  readonly region: string | undefined;
  /** `ENDPOINT/BUCKET/KEY` in place of `BUCKET.ENDPOINT/KEY`. */
  readonly pathStyle: boolean;
  /** Without them, what Amazon's SDK finds: environment, files, roles of a pod or a machine. */
  readonly keys: { readonly accessKeyId: string; readonly secretAccessKey: string } | undefined;
}

const BUCKET_URL = /^s3:\/\/([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])(\/.*)?$/;

export const isBucketUrl = (place: string): boolean => place.startsWith('s3:');

export function parseBucketUrl(url: string): Pick<BucketLocation, 'bucket' | 'prefix'> {
  const [, bucket, path = ''] = BUCKET_URL.exec(url) ?? [];
  if (bucket === undefined)
    throw new SolopoError(
      'config-invalid',
      `SOLOPO_ARTIFACTS is ${url}, which names no bucket; write s3://BUCKET or s3://BUCKET/PREFIX.`,
    );
  const prefix = path.split('/').filter(Boolean).join('/');
  return { bucket, prefix: prefix && `${prefix}/` };
}

/** As people name it. */
export function nameOf({ bucket, prefix, endpoint }: BucketLocation): string {
  return `s3://${bucket}/${prefix}`.replace(/\/$/, '') + (endpoint === undefined ? '' : ` at ${endpoint}`);
}
