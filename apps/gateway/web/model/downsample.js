/**
 * The part of some columns over one x that a chart of so many pixels can show: at most `limit` places, each bucket with the
 * lowest and the highest value of every column, so that no peak is lost. Columns hold numbers, or null where nothing was
 * measured; `from` and `to` are values of x, and the neighbours outside stay so that lines run on to the edge.
 *
 * @param {readonly number[]} xs  Ascending.
 * @param {readonly (readonly (number | null)[])[]} columns
 * @returns {{ xs: number[], columns: (number | null)[][] }}
 */
export function downsample(xs, columns, { from = -Infinity, to = Infinity, limit }) {
  const first = Math.max(0, lowerBound(xs, from) - 1);
  const end = Math.min(xs.length, upperBound(xs, to) + 1);
  const count = end - first;
  if (count <= limit) return { xs: xs.slice(first, end), columns: columns.map((column) => column.slice(first, end)) };
  // Two places a bucket: one value lies in the first, the other in the second, in the order they came.
  const buckets = Math.floor(limit / 2);
  const places = [];
  const drawn = columns.map(() => []);
  for (let bucket = 0; bucket < buckets; bucket++) {
    const start = first + Math.floor((bucket * count) / buckets);
    const stop = first + Math.floor(((bucket + 1) * count) / buckets);
    places.push(xs[start]);
    if (stop - start > 1) places.push(xs[stop - 1]);
    columns.forEach((column, index) => {
      const [early, late] = extremes(column, start, stop);
      drawn[index].push(early);
      if (stop - start > 1) drawn[index].push(late);
    });
  }
  return { xs: places, columns: drawn };
}

function extremes(column, start, stop) {
  let [low, high] = [-1, -1];
  for (let i = start; i < stop; i++) {
    const value = column[i];
    if (value === null || value === undefined) continue;
    if (low === -1 || value < column[low]) low = i;
    if (high === -1 || value > column[high]) high = i;
  }
  if (low === -1) return [null, null];
  return low < high ? [column[low], column[high]] : [column[high], column[low]];
}

/** The first place whose value is not less. */
export function lowerBound(xs, value) {
  return bound(xs, (x) => x < value);
}

function upperBound(xs, value) {
  return bound(xs, (x) => x <= value);
}

function bound(xs, isBefore) {
  let [low, high] = [0, xs.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (isBefore(xs[middle])) low = middle + 1;
    else high = middle;
  }
  return low;
}
