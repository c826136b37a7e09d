/** Reads the weights of files, one after another, beside the thread that asked and the one that hashes them. */
import { parentPort, workerData } from 'node:worker_threads';
import type { WeightFile } from './finite-weights.ts';
import { findNotFinite } from './not-finite.ts';

for (const { path, tensors } of workerData as readonly WeightFile[])
  parentPort?.postMessage(findNotFinite(path, tensors));
