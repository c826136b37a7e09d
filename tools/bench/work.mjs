// Multiply-adds that the engine's graphs execute, by formula.
import { LORA } from './model.mjs';

/** Queries are taken in chunks of at most so many tokens, each against the keys up to its own end. */
const QUERY_CHUNK = 256;

/**
 * Of one pass over `length` tokens of a batch of one: a forward pass, what the backward pass computes again, and the
 * backward pass itself (dx of every frozen product; dx, dA and dB of the adapter; dq, dk, dv, dP and P of attention).
 */
export function passWork(config, length, { lora = true } = {}) {
  const { hiddenSize: d, heads, kvHeads, headSize, intermediateSize: f, layers } = config;
  const [h, kv] = [heads * headSize, kvHeads * headSize];
  const chunks = Math.max(1, Math.ceil(length / QUERY_CHUNK));
  const rank = lora ? LORA.rank : 0;
  const down = length * f * d;
  const linear = length * (2 * d * h + 2 * d * kv + 2 * d * f) + down;
  const product = (length * length * h * (chunks + 1)) / (2 * chunks);
  const adapter = length * rank * (2 * (d + h) + 2 * (d + kv) + 3 * (d + f));
  return {
    forward: layers * (linear + 2 * product + adapter),
    // The last product of a block is not needed again.
    recompute: layers * (linear - down + 2 * product + adapter - length * rank * (d + f)),
    // A frozen weight asks for dx only; a trained one for dW too.
    backward: layers * ((lora ? 1 : 2) * linear + 5 * product + 3 * adapter),
  };
}

/** Of the output layer on `rows` targets: the logits for the log-probabilities, then again with their gradient. */
export const headWork = ({ hiddenSize, vocabSize }, rows) => {
  const product = rows * hiddenSize * vocabSize;
  return { score: product, backward: 2 * product };
};
