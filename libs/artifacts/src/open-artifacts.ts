import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SolopoError } from '@solopo/contracts';
import type { ArtifactStore } from './artifact.store.ts';
import { isBucketUrl, parseBucketUrl, type BucketLocation } from './bucket.location.ts';
import { FolderStore } from './folder.store.ts';

/** As services are configured: the settings are in `libs/platform`. */
export interface ArtifactSettings {
  readonly artifacts: string;
  readonly artifactsEndpoint?: string | undefined;
  readonly artifactsRegion?: string | undefined;
  readonly artifactsPathStyle: 'auto' | 'on' | 'off';
  readonly artifactsAccessKey?: string | undefined;
  readonly artifactsSecretKey?: string | undefined;
  readonly artifactsCache?: string | undefined;
  readonly artifactsCacheMb: number;
}

const OF_BUCKETS = {
  artifactsEndpoint: 'SOLOPO_ARTIFACTS_ENDPOINT',
  artifactsAccessKey: 'SOLOPO_ARTIFACTS_ACCESS_KEY',
  artifactsSecretKey: 'SOLOPO_ARTIFACTS_SECRET_KEY',
} as const;

/** A folder, or a bucket with a cache: `s3://BUCKET/PREFIX`. */
export async function openArtifacts(settings: ArtifactSettings): Promise<ArtifactStore> {
  const { artifacts, artifactsCache = join(tmpdir(), 'solopo-artifacts'), artifactsCacheMb } = settings;
  if (!isBucketUrl(artifacts)) {
    refuseIdle(settings);
    return FolderStore.open(artifacts);
  }
  const location = locationOf(settings);
  // The client takes a while to load, which only those pay who have a bucket.
  const [{ Bucket }, { BucketStore }, { CacheFolder }] = await Promise.all([
    import('./bucket.ts'),
    import('./bucket.store.ts'),
    import('./cache.folder.ts'),
  ]);
  return BucketStore.open(new Bucket(location), await CacheFolder.open(artifactsCache, artifactsCacheMb * 1e6));
}

function locationOf(settings: ArtifactSettings): BucketLocation {
  const {
    artifactsEndpoint: endpoint,
    artifactsRegion: region,
    artifactsPathStyle: pathStyle,
    artifactsAccessKey: accessKeyId,
    artifactsSecretKey: secretAccessKey,
  } = settings;
  if ((accessKeyId === undefined) !== (secretAccessKey === undefined))
    throw new SolopoError(
      'config-invalid',
      'Only one of SOLOPO_ARTIFACTS_ACCESS_KEY and SOLOPO_ARTIFACTS_SECRET_KEY is set; set both, or neither.',
    );
  return {
    ...parseBucketUrl(settings.artifacts),
    endpoint,
    region,
    pathStyle: pathStyle === 'auto' ? endpoint !== undefined : pathStyle === 'on',
    keys: accessKeyId === undefined || secretAccessKey === undefined ? undefined : { accessKeyId, secretAccessKey },
  };
}

/** Whoever names a server means a bucket. */
function refuseIdle(settings: ArtifactSettings): void {
  for (const [key, name] of Object.entries(OF_BUCKETS) as [keyof typeof OF_BUCKETS, string][])
    if (settings[key] !== undefined)
      throw new SolopoError(
        'config-invalid',
        `${name} is set, and SOLOPO_ARTIFACTS is a folder; write s3://BUCKET/PREFIX there, or unset ${name}.`,
      );
}
