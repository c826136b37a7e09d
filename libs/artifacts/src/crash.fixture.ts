import { setTimeout as sleep } from 'node:timers/promises';
import { openArtifacts, type ArtifactSettings } from './open-artifacts.ts';

/** Writes half of an artifact, says so, and waits to be killed. */
async function* halfway(): AsyncGenerator<Uint8Array> {
  yield Buffer.alloc(2 << 20, 'first half, ');
  process.stdout.write('halfway\n');
  await sleep(60_000);
  yield Buffer.from('second half');
}

const store = await openArtifacts(JSON.parse(process.argv[2] ?? '') as ArtifactSettings);
await store.put(halfway());
