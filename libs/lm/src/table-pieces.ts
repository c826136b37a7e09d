import { float32, int64, type Tensor } from './tensor.ts';

/*
 * A vocabulary table [V, d] that no buffer of the device holds whole lies there in pieces: so many rows each, in order. Pieces of
 * NAME are called NAME#0, NAME#1, ... where parameters have names, and in the graphs; a table that lies whole keeps its name.
 * Files and whoever reads the numbers see whole tables.
 */

/** Products are made in tiles of so many rows: a piece is a multiple of it where it can be. */
const TILE_ROWS = 32;

/**
 * Rows of each piece of a float32 table [rows, columns] that is larger than `maxBytes`; whole where it is not. As few pieces as do,
 * of equal size but for the last, and each smaller than the limit: of a driver that gives no more than a limit's bytes at a time, a
 * buffer of just as many may be refused.
 * @throws RangeError where one row is not smaller than `maxBytes`
 */
export function splitRows([rows, columns]: readonly [number, number], maxBytes: number): readonly number[] {
  const rowBytes = 4 * columns;
  if (rows * rowBytes <= maxBytes) return [rows];
  const fitting = Math.ceil(maxBytes / rowBytes) - 1;
  if (fitting < 1) throw new RangeError(`a row of ${rowBytes} bytes is not smaller than ${maxBytes}`);
  const even = Math.ceil(rows / Math.ceil(rows / fitting));
  const size = Math.min(fitting, TILE_ROWS * Math.ceil(even / TILE_ROWS));
  return Array.from({ length: Math.ceil(rows / size) }, (_, i) => Math.min(size, rows - i * size));
}

export const pieceNames = (name: string, pieces: number): readonly string[] =>
  pieces === 1 ? [name] : Array.from({ length: pieces }, (_, i) => `${name}#${i}`);

/** The parameter that a tensor is, or is a piece of. */
export const wholeName = (name: string): string => name.replace(/#\d+$/, '');

/** The pieces of a table that lies in this process's memory: views, not copies. */
export function slicePieces(table: Float32Array, columns: number, pieces: readonly number[]): readonly Tensor[] {
  return pieces.map((rows, i) => {
    const from = startOf(pieces, i) * columns;
    return float32(table.subarray(from, from + rows * columns), [rows, columns]);
  });
}

export interface PlacesInPiece {
  /** By id: the row of the piece that is the id's. Where it lies in another piece, some row of this one. */
  readonly rows: Int32Array;
  /** By id: 1 where its row lies in the piece, otherwise 0. */
  readonly inside: Float32Array;
}

/** Of rows of a table, by their ids: where they lie in each of its pieces. */
export function placesInPieces(ids: Int32Array, pieces: readonly number[]): readonly PlacesInPiece[] {
  return pieces.map((rows, i) => {
    const from = startOf(pieces, i);
    const isInside = (id: number): boolean => id >= from && id < from + rows;
    return {
      // Zeros are added to the rows of others: spread out, so that they do not wait for each other at one.
      rows: ids.map((id) => (isInside(id) ? id - from : id % rows)),
      inside: Float32Array.from(ids, (id) => (isInside(id) ? 1 : 0)),
    };
  });
}

/** What the graphs read of ids of shape `dims` to look rows of a table in pieces up; nothing where it lies whole. */
export function lookupFeeds(
  ids: Int32Array,
  dims: readonly number[],
  pieces: readonly number[],
): Readonly<Record<string, Tensor>> {
  if (pieces.length === 1) return {};
  return Object.fromEntries(
    placesInPieces(ids, pieces).flatMap(({ rows, inside }, i) => [
      [`ids#${i}`, int64(rows, dims)],
      [`inside#${i}`, float32(inside, [...dims, 1])],
    ]),
  );
}

const startOf = (pieces: readonly number[], index: number): number =>
  pieces.slice(0, index).reduce((sum, rows) => sum + rows, 0);
