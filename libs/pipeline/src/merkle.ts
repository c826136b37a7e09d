import { createHash } from 'node:crypto';

/**
 * Root of the Merkle tree over digests in their order, as RFC 9162 (2.1.1) makes it: leaves and inner nodes are hashed with another first
 * byte, and the left tree is the largest whole one.
 *
 * @param leaves SHA-256, in hexadecimal
 */
export function merkleRoot(leaves: readonly string[]): string {
  return subtree(leaves.map((leaf) => Buffer.from(leaf, 'hex'))).toString('hex');
}

function subtree(leaves: readonly Buffer[]): Buffer {
  const [first] = leaves;
  if (first === undefined) return hash();
  if (leaves.length === 1) return hash(Buffer.of(0), first);
  const left = 2 ** (Math.ceil(Math.log2(leaves.length)) - 1);
  return hash(Buffer.of(1), subtree(leaves.slice(0, left)), subtree(leaves.slice(left)));
}

function hash(...parts: readonly Buffer[]): Buffer {
  return createHash('sha256').update(Buffer.concat(parts)).digest();
}
