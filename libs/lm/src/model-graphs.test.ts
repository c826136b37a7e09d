import { encodeModel } from '@solopo/onnx-graph';
import * as ort from 'onnxruntime-node';
import { expect, test } from 'vitest';
import { modelGraphs, parseModelConfig } from './index.ts';

const size = {
  vocab_size: 50,
  hidden_size: 16,
  num_hidden_layers: 2,
  num_attention_heads: 2,
  num_key_value_heads: 1,
  intermediate_size: 24,
};
const lora = { rank: 2, alpha: 4, targets: ['q_proj', 'down_proj'], rsLora: false } as const;

test.each([
  ['qwen2', null, 'float32'],
  ['qwen2', lora, 'float32'],
  ['mistral', lora, 'float16'],
  ['gemma3_text', lora, 'int8'],
] as const)(
  'every graph of a %s model, adapter %o, %s, is a file that onnxruntime opens',
  async (model_type, adapter, frozenWeights) => {
    const config = parseModelConfig({ ...size, model_type, head_dim: 8 });
    const graphs = modelGraphs({ config, lora: adapter, frozenWeights });
    expect(graphs.size).toBeGreaterThanOrEqual(11);
    for (const [name, graph] of graphs) {
      const session = await ort.InferenceSession.create(encodeModel(graph));
      expect(session.outputNames, name).toEqual(graph.outputs.map((output) => output.name));
      await session.release();
    }
  },
);
