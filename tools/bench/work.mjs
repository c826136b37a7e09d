// Multiply-adds that the engine's graphs execute, by formula.
import { LORA } from './model.mjs';

/** Queries are taken in chunks of at most so many tokens, each against the keys up to its own end. */
const QUERY_CHUNK = 256;

/**
 * Of one pass over `length` tokens of a batch of one: a forward pass, what the backward pass computes again, and the
 * backward pass itself (dx of every frozen product; dx, dA and dB of the adapter; dq, dk, dv, dP and P of attention). The
 * adapter is added to its weights, forward and backward. The last block makes its output of the last `outputs` tokens.
 */
export function passWork(config, length, { lora = true, outputs = length } = {}) {
  const { hiddenSize: d, heads, kvHeads, headSize, intermediateSize: f, layers } = config;
  const [h, kv] = [heads * headSize, kvHeads * headSize];
  const rank = lora ? LORA.rank : 0;
  const layer = (queries) => {
    const chunks = Math.max(1, Math.ceil(queries / QUERY_CHUNK));
    const product = h * (queries * (length - queries) + (queries * queries * (chunks + 1)) / (2 * chunks));
    const down = { linear: queries * f * d, merged: rank * f * d };
    const linear = length * 2 * d * kv + queries * (2 * d * h + 2 * d * f) + down.linear;
    const merged = rank * (2 * d * kv + 2 * d * h + 2 * d * f) + down.merged;
    const adapter = 2 * rank * (length * 2 * (d + kv) + queries * (2 * (d + h) + 3 * (d + f)));
    return {
      forward: linear + merged + 2 * product,
      // The last product of a block is not needed again.
      recompute: linear - down.linear + merged - down.merged + 2 * product,
      // A frozen weight asks for dx only; a trained one for dW too.
      backward: (lora ? 1 : 2) * linear + merged + adapter + 5 * product,
    };
  };
  const [each, last] = [layer(length), layer(outputs)];
  const all = (part) => (layers - 1) * each[part] + last[part];
  return { forward: all('forward'), recompute: all('recompute'), backward: all('backward') };
}

/** Of the frozen output layer on `rows` targets: the logits, and the gradient of each log-probability. */
export const headWork = ({ hiddenSize, vocabSize }, rows) => 2 * rows * hiddenSize * vocabSize;
