/**
 * Shapes. A dimension is a number, or the name of a symbol ("T") that is bound when the graph runs. Two dimensions are
 * equal when they are written the same. Sums of symbols are written "T0+T1".
 */
export type Dim = number | string;
export type Shape = readonly Dim[];

export class ShapeError extends Error {
  override readonly name = 'ShapeError';
}

export const formatShape = (shape: Shape): string => `[${shape.join(', ')}]`;

/** NumPy broadcasting of two shapes. */
export function broadcast(a: Shape, b: Shape, where: string): Shape {
  const rank = Math.max(a.length, b.length);
  return Array.from({ length: rank }, (_, axis) => {
    const x = a[axis - (rank - a.length)] ?? 1;
    const y = b[axis - (rank - b.length)] ?? 1;
    if (x === y || y === 1) return x;
    if (x === 1) return y;
    throw new ShapeError(
      `${where}: ${formatShape(a)} and ${formatShape(b)} do not broadcast (axis ${axis}: ${x} and ${y})`,
    );
  });
}

/** Axis as a non-negative number. */
export function axisOf(axis: number, rank: number): number {
  const positive = axis < 0 ? axis + rank : axis;
  if (positive < 0 || positive >= rank) throw new ShapeError(`axis ${axis} is not in a tensor of rank ${rank}`);
  return positive;
}

export function addDims(dims: readonly Dim[]): Dim {
  const numbers = dims.filter((dim): dim is number => typeof dim === 'number');
  const symbols = dims.filter((dim): dim is string => typeof dim === 'string');
  const total = numbers.reduce((sum, dim) => sum + dim, 0);
  if (symbols.length === 0) return total;
  return [...symbols, ...(total === 0 ? [] : [String(total)])].join('+');
}

export const sameShape = (a: Shape, b: Shape): boolean =>
  a.length === b.length && a.every((dim, axis) => dim === b[axis]);
