/**
 * Rows of a query or key projection (or the numbers of its bias) from neighbouring rotary pairs (2i, 2i + 1) to Hugging Face's
 * halves (i, i + headSize / 2): in each head from the order 0 1 2 3 ... to 0 2 4 ... 1 3 5 ...
 */
export function neighboursToHalves(data: Float32Array, rows: number, headSize: number): Float32Array {
  const columns = data.length / rows;
  const half = headSize / 2;
  const out = new Float32Array(data.length);
  for (let row = 0; row < rows; row++) {
    const within = row % headSize;
    const source = row - within + (within < half ? 2 * within : 2 * (within - half) + 1);
    out.set(data.subarray(source * columns, (source + 1) * columns), row * columns);
  }
  return out;
}
