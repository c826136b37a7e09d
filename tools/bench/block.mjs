// Forward and backward of a Qwen2.5-0.5B-shaped block with LoRA against a bare warm MatMul in the same process, in
// executed multiply-adds a second.
import { encodeModel, Graph } from '@solopo/onnx-graph';
import { initialise, initialiseLora, LanguageModel, packSequences, parseModelConfig, Runtime } from '@solopo/lm';
import * as ort from 'onnxruntime-node';

const [d, kv, f, rank] = [896, 128, 4864, 16];
/** Queries are taken in chunks of about this many tokens: libs/lm/src/language-model.ts. */
const CHUNK = 256;

const config = parseModelConfig({
  model_type: 'qwen2',
  vocab_size: 1000,
  hidden_size: d,
  num_hidden_layers: 1,
  num_attention_heads: 14,
  num_key_value_heads: 2,
  intermediate_size: f,
  rope_theta: 1e6,
  tie_word_embeddings: true,
});
const lora = {
  rank,
  alpha: 32,
  targets: ['q_proj', 'k_proj', 'v_proj', 'o_proj', 'gate_proj', 'up_proj', 'down_proj'],
  rsLora: false,
};

export async function block({ quick, threads }) {
  const runtime = new Runtime({ threads });
  const weights = initialise(config, { seed: 1, embeddingStd: 0.02, residualScale: 1 });
  const model = new LanguageModel(config, weights, runtime, {
    options: lora,
    weights: initialiseLora(config, lora, 1),
  });
  const figures = [];
  for (const T of quick ? [512, 2048] : [512, 2048, 8192]) {
    const runs = T > 4096 ? 3 : 7;
    const matMul = await matMulRate(T, threads, runs);
    const { forward, backward } = multiplyAdds(T);
    const batch = packSequences([Int32Array.from({ length: T }, (_, i) => i % 1000)]);
    const activations = await model.forward(batch);
    // One target is enough: the head is not what is measured.
    const dLogps = new Float32Array(batch.targets.length);
    dLogps[T - 2] = 1;
    const rates = {
      forward: forward / (await median(runs, () => model.forward(batch))),
      'backward, forward computed again':
        backward / (await median(runs, () => model.backward(activations, dLogps, new Map()))),
    };
    figures.push({
      name: `T ${T}: MatMul ${T} x ${d} x ${f}`,
      value: round(matMul / 1e9),
      unit: 'Gmadd/s',
      goal: null,
      reached: null,
    });
    for (const [pass, rate] of Object.entries(rates)) {
      const ratio = rate / matMul;
      figures.push({
        name: `T ${T}: ${pass}, ratio to MatMul`,
        value: round(ratio),
        unit: '',
        goal: T === 2048 ? 0.85 : null,
        reached: T === 2048 ? ratio >= 0.85 : null,
      });
    }
  }
  await runtime.close();
  return figures;
}

/** Multiply-adds that the graphs execute: attention in chunks, each against the keys up to its own end. */
function multiplyAdds(T) {
  const chunks = Math.max(1, Math.ceil(T / CHUNK));
  const linear = T * (2 * d * d + 2 * d * kv + 3 * d * f);
  const attention = (2 * T * T * d * (chunks + 1)) / (2 * chunks);
  const adapter = T * rank * (4 * d + 2 * (d + kv) + 3 * (d + f));
  const forward = linear + attention + adapter;
  // The forward again; dx of every product, dq, dk, dv and dP of attention; dx, dA and dB of the adapter.
  return { forward, backward: forward + linear + 2 * attention + 2 * adapter };
}

async function matMulRate(T, threads, runs) {
  const g = new Graph('matmul');
  g.output('y', g.matMul(g.input('a', 'float32', ['T', d]), g.input('b', 'float32', [d, f])));
  const session = await ort.InferenceSession.create(encodeModel(g), { intraOpNumThreads: threads });
  const tensor = (rows, columns) =>
    new ort.Tensor(
      'float32',
      Float32Array.from({ length: rows * columns }, (_, i) => Math.sin(i)),
      [rows, columns],
    );
  const feeds = { a: tensor(T, d), b: tensor(d, f) };
  const seconds = await median(runs, () => session.run(feeds));
  await session.release();
  return (T * d * f) / seconds;
}

/** Median seconds of warm runs. */
async function median(runs, work) {
  for (let i = 0; i < 2; i++) await work();
  const seconds = [];
  for (let i = 0; i < runs; i++) {
    const started = performance.now();
    await work();
    seconds.push((performance.now() - started) / 1000);
  }
  return seconds.sort((a, b) => a - b)[runs >> 1];
}

const round = (x) => Math.round(x * 100) / 100;
