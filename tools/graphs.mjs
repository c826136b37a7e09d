// Writes the engine's graphs for a model as .onnx files, to be opened in Netron: npm run graphs -- MODEL FOLDER [--lora RANK]
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { LORA_TARGETS, modelGraphs, readModelConfig } from '@solopo/lm';
import { encodeModel } from '@solopo/onnx-graph';

const { values, positionals } = parseArgs({ allowPositionals: true, options: { lora: { type: 'string' } } });
const [model, folder] = positionals;
const rank = Number(values.lora ?? 0);
if (!model || !folder || !Number.isSafeInteger(rank) || rank < 0) {
  console.error(
    'usage: npm run graphs -- MODEL FOLDER [--lora RANK]; MODEL is a Hugging Face folder with a config.json',
  );
  process.exit(2);
}
const lora = rank > 0 ? { rank, alpha: 2 * rank, targets: LORA_TARGETS, rsLora: false } : null;
mkdirSync(folder, { recursive: true });
for (const [name, graph] of modelGraphs({ config: readModelConfig(model), lora })) {
  const bytes = encodeModel(graph);
  writeFileSync(join(folder, `${name}.onnx`), bytes);
  console.log(`${name}.onnx`.padEnd(32), `${graph.nodes.length} nodes, ${bytes.length} bytes`);
}
