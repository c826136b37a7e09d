import { SolopoError, type ErrorCode } from '@solopo/contracts';
import { describe, expect, it } from 'vitest';
import { bucketFault } from './bucket.faults.ts';
import { parseBucketUrl, type BucketLocation } from './bucket.location.ts';
import { openArtifacts, type ArtifactSettings } from './open-artifacts.ts';

const location: BucketLocation = {
  ...parseBucketUrl('s3://models/solopo'),
  endpoint: 'https://s3.example.org',
  region: undefined,
  pathStyle: true,
  keys: undefined,
};

/** As the client throws what a server says. */
const said = (name: string, status: number) =>
  Object.assign(new Error('so it is'), { name, $metadata: { httpStatusCode: status } });

describe('what a server says', () => {
  it.each<readonly [string, number, ErrorCode, RegExp]>([
    ['QuotaExceeded', 403, 'store-full', /make room or raise its quota/],
    ['InsufficientStorage', 507, 'store-full', /make room/],
    ['XMinioStorageFull', 507, 'store-full', /make room/],
    ['NoSuchBucket', 404, 'store-refused', /make the bucket/],
    ['AccessDenied', 403, 'store-refused', /let them list, read and write/],
    ['XAdminUserNotFound', 404, 'store-refused', /SOLOPO_ARTIFACTS_ACCESS_KEY/],
    ['ExpiredToken', 400, 'store-refused', /SOLOPO_ARTIFACTS_ACCESS_KEY/],
    ['UnknownError', 403, 'store-refused', /SOLOPO_ARTIFACTS_ACCESS_KEY/],
    ['RequestTimeTooSkewed', 403, 'store-refused', /clock/],
    ['PermanentRedirect', 301, 'store-refused', /SOLOPO_ARTIFACTS_REGION/],
    ['SlowDown', 503, 'not-ready', /tried again/],
    ['InternalError', 500, 'not-ready', /tried again/],
  ])('%s (%i) is %s', (name, status, code, message) => {
    const fault = bucketFault(said(name, status), location);
    expect(fault).toBeInstanceOf(SolopoError);
    expect(fault).toMatchObject({ code, message: expect.stringMatching(message) as string });
    expect((fault as SolopoError).message).toContain(`s3://models/solopo at https://s3.example.org`);
    expect((fault as SolopoError).retryable).toBe(true);
  });

  it('no credentials are found, or no region', () => {
    expect(bucketFault(Object.assign(new Error('none'), { name: 'CredentialsProviderError' }), location)).toMatchObject(
      {
        code: 'store-refused',
        message: expect.stringMatching(/SOLOPO_ARTIFACTS_SECRET_KEY, or give the pod a role/) as string,
      },
    );
    expect(bucketFault(new Error('Region is missing'), location)).toMatchObject({ code: 'store-refused' });
  });

  it('what is not of the store stays as it is', () => {
    const error = new TypeError('a defect');
    expect(bucketFault(error, location)).toBe(error);
  });
});

describe('a configuration', () => {
  const settings: ArtifactSettings = { artifacts: 's3://models', artifactsPathStyle: 'auto', artifactsCacheMb: 10 };

  it.each<readonly [string, Partial<ArtifactSettings>, RegExp]>([
    ['a bucket without a name', { artifacts: 's3://' }, /names no bucket; write s3:\/\/BUCKET/],
    ['a name that no bucket has', { artifacts: 's3://My_Bucket/x' }, /names no bucket/],
    ['half of the keys', { artifactsAccessKey: 'a' }, /Only one of .*; set both, or neither/],
    ['a server for a folder', { artifacts: '/tmp/x', artifactsEndpoint: 'http://127.0.0.1:1' }, /is a folder/],
  ])('%s is refused', async (_, changes, message) => {
    await expect(openArtifacts({ ...settings, ...changes })).rejects.toMatchObject({
      code: 'config-invalid',
      message: expect.stringMatching(message) as string,
    });
  });
});
