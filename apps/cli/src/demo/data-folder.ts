import { fileURLToPath } from 'node:url';

/** A file or folder of the repository's `data/`. */
export const dataPath = (path: string): string => fileURLToPath(new URL(`../../../../data/${path}`, import.meta.url));
