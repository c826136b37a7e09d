import { createHash } from 'node:crypto';
import { open } from 'node:fs/promises';

/** Few enough to stay in a cache, large enough that a read costs nothing beside its bytes. */
const PIECE_BYTES = 4 << 20;

/** SHA-256 of a file, in hexadecimal. The next piece is read while one is hashed. */
export async function fileDigest(path: string): Promise<string> {
  const hash = createHash('sha256');
  const file = await open(path);
  try {
    let [filled, free] = [Buffer.allocUnsafe(PIECE_BYTES), Buffer.allocUnsafe(PIECE_BYTES)];
    let { bytesRead } = await file.read(filled, 0, PIECE_BYTES);
    while (bytesRead > 0) {
      const next = file.read(free, 0, PIECE_BYTES);
      hash.update(filled.subarray(0, bytesRead));
      ({ bytesRead } = await next);
      [filled, free] = [free, filled];
    }
    return hash.digest('hex');
  } finally {
    await file.close();
  }
}
