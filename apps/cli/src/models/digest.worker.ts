/** Hashes files, one after another, beside the thread that asked. */
import { parentPort, workerData } from 'node:worker_threads';
import { fileDigest } from '../file-digest.ts';

for (const path of workerData as readonly string[]) parentPort?.postMessage(await fileDigest(path));
