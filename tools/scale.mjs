// npm run scale [-- --json]: what training larger models over several GPUs takes, on paper. docs/scale.md has its tables, and what they assume.
import { pathToFileURL } from 'node:url';

/** Shapes as config.json of the published models has them. */
export const MODELS = {
  '0.5B': {
    hidden: 896,
    layers: 24,
    heads: 14,
    keyHeads: 2,
    headSize: 64,
    inner: 4864,
    vocabulary: 151_936,
    tied: true,
  },
  '7B': { hidden: 3584, layers: 28, heads: 28, keyHeads: 4, headSize: 128, inner: 18_944, vocabulary: 152_064 },
  '32B': { hidden: 5120, layers: 64, heads: 40, keyHeads: 8, headSize: 128, inner: 27_648, vocabulary: 152_064 },
  '70B': { hidden: 8192, layers: 80, heads: 64, keyHeads: 8, headSize: 128, inner: 28_672, vocabulary: 128_256 },
};

export const ASSUMED = {
  gpuBytes: 80e9,
  /** Dense bfloat16, NVIDIA H100 SXM (datasheet), and the share of it that a step reaches (38 to 43 % in arXiv 2407.21783, table 4). */
  gpuFlops: 989e12,
  reached: 0.4,
  gpusPerNode: 8,
  /** A GPU's to the others of its node and to other nodes, one direction: NVLink 4, and one 400 Gb/s adapter. */
  nodeBytesPerSecond: 450e9,
  networkBytesPerSecond: 50e9,
  /** Of what a link can carry, in collective operations. */
  linkReached: 0.8,
  rank: 16,
  response: 256,
  /** PyTorch, CUDA's context and NCCL's buffers. */
  fixedBytes: 2.5e9,
};

export function parameters({ hidden, layers, heads, keyHeads, headSize, inner, vocabulary, tied = false }) {
  const layer = hidden * headSize * (2 * heads + 2 * keyHeads) + 3 * hidden * inner + 2 * hidden;
  const tables = (tied ? 1 : 2) * vocabulary * hidden;
  return { layer, tables, all: layers * layer + tables + hidden };
}

/** LoRA's on all seven linear layers of each layer. */
export function adapterParameters({ hidden, layers, heads, keyHeads, headSize, inner }, rank) {
  const sides = [
    [hidden, heads * headSize],
    [hidden, keyHeads * headSize],
    [hidden, keyHeads * headSize],
    [heads * headSize, hidden],
    [hidden, inner],
    [hidden, inner],
    [inner, hidden],
  ];
  return layers * rank * sides.reduce((sum, [inputs, outputs]) => sum + inputs + outputs, 0);
}

/**
 * A step of SoLoPO on one pair for each group of ranks that share a sequence: short prompt with both responses, long prompt with one.
 * Activations are kept at the borders of layers, which run their forward pass again (arXiv 1604.06174).
 *
 * @param {{ model: string, short: number, long: number, ranks: number, sequenceRanks: number, adapter: boolean, bytes?: number,
 *   backward?: 'full' | 'response' }} given `bytes`: of a number that is computed with, 2 for bfloat16
 */
export function plan(
  { model, short, long, ranks, sequenceRanks, adapter, bytes = 2, backward = 'full' },
  assumed = ASSUMED,
) {
  const shape = MODELS[model];
  const { layer, tables, all } = parameters(shape);
  const trained = adapter ? adapterParameters(shape, assumed.rank) : all;
  const shortTokens = short + 2 * assumed.response;
  const longTokens = long + assumed.response;
  const memory = memoryOf(
    { shape, layer, tables, all, trained, ranks, sequenceRanks, adapter, bytes, shortTokens, longTokens, backward },
    assumed,
  );
  const rows = [
    { tokens: shortTokens, backward: 1 },
    { tokens: longTokens, backward: backward === 'full' ? 1 : 0 },
  ];
  const pairs = ranks / sequenceRanks;
  const flops = pairs * rows.reduce((sum, row) => sum + flopsOf(shape, all - tables, row, adapter), 0);
  const wire = wireOf({ shape, tables, all, trained, adapter, ranks, sequenceRanks, bytes, rows });
  const computing = flops / (ranks * assumed.gpuFlops * assumed.reached);
  const link = ranks > assumed.gpusPerNode ? assumed.networkBytesPerSecond : assumed.nodeBytesPerSecond;
  const sending =
    wire.fsdp / (link * assumed.linkReached) + wire.sequence / (assumed.nodeBytesPerSecond * assumed.linkReached);
  // What is sent goes beside what is computed, as far as it is the shorter one.
  const seconds = Math.max(computing, sending);
  const limit = memory.total > assumed.gpuBytes ? 'memory' : sending > computing ? 'wire' : 'compute';
  return {
    memory,
    wire,
    computing,
    sending,
    seconds,
    tokensPerSecond: (pairs * (shortTokens + longTokens)) / seconds,
    limit,
  };
}

function memoryOf(
  { shape, layer, tables, all, trained, ranks, sequenceRanks, adapter, bytes, shortTokens, longTokens, backward },
  assumed,
) {
  // Master copy, gradient and two moments in float32; what is frozen as it is computed with, its tables on every rank.
  const frozen = adapter ? bytes * (all - tables) : 0;
  const states = (16 * trained + frozen) / ranks;
  // One layer and the next one whole, and the tables during a step; their gradients too, where they are trained, a table's also as
  // the sum of all passes in float32. Beside them what a layer is received in, and its gradient in float32 on the way to all.
  const ofLayers = 2 * bytes * layer * (adapter ? 1 : 2) + layer * (bytes + (adapter ? 0 : 4));
  const ofTables = tables * (adapter ? bytes : 2 * bytes + 4);
  const whole = ranks > 1 ? ofLayers + ofTables : bytes * (adapter ? tables : all);
  const kept = backward === 'full' ? Math.max(shortTokens, longTokens) : shortTokens;
  const { hidden, layers, heads, keyHeads, headSize, inner } = shape;
  const borders = (kept * layers * hidden * bytes) / sequenceRanks;
  // Of the layer that runs again: two norms, residual, queries, keys, values, attention's result, gate, up and their product; keys and
  // values of a constant prompt for all layers.
  const again = (kept * (4 * hidden + (3 * heads + 2 * keyHeads) * headSize + 3 * inner) * bytes) / sequenceRanks;
  const constant = backward === 'full' ? 0 : (longTokens * layers * 2 * keyHeads * headSize * bytes) / sequenceRanks;
  const activations = borders + 2 * again + constant;
  return { states, whole, activations, total: states + whole + activations + assumed.fixedBytes };
}

/** Products of the layers (2 operations a parameter and token), and of causal attention. */
function flopsOf({ layers, heads, headSize }, layerParameters, { tokens, backward }, adapter) {
  const attention = 2 * layers * tokens ** 2 * heads * headSize;
  const forward = 2 * layerParameters * tokens + attention;
  // Backward: by the inputs and, where they are trained, by the parameters; attention's twice its forward; and the forward pass again.
  const back = 2 * layerParameters * tokens * (adapter ? 1 : 2) + 2 * attention + forward;
  return forward + backward * back;
}

/** Bytes that a GPU sends in a step. */
function wireOf({ shape, tables, all, trained, adapter, ranks, sequenceRanks, bytes, rows }) {
  const others = (ranks - 1) / ranks;
  const passes = rows.reduce((sum, { backward }) => sum + 1 + backward, 0);
  const backwards = rows.reduce((sum, { backward }) => sum + backward, 0);
  // Layers for each pass; tables, where they are trained, once.
  const ofLayers = passes * bytes * (all - tables) + backwards * 4 * (adapter ? trained : all - tables);
  const fsdp = others * (ofLayers + (adapter ? 0 : (bytes + 4) * tables));
  const { layers, heads, keyHeads, headSize } = shape;
  const perToken = (2 * heads + 2 * Math.max(keyHeads, sequenceRanks)) * headSize * bytes * layers;
  const exchanged = rows.reduce((sum, { tokens, backward }) => sum + tokens * (1 + 2 * backward), 0);
  const sequence = sequenceRanks > 1 ? (exchanged * perToken * (sequenceRanks - 1)) / sequenceRanks ** 2 : 0;
  return { fsdp, sequence };
}

const SETTINGS = [
  { short: 1024, long: 8192 },
  { short: 8192, long: 131_072 },
];

/** The number of ranks a sequence needs, of those that divide the heads, for its activations to fit; else the most. */
function fitting(given) {
  const { heads } = MODELS[given.model];
  const possible = [1, 2, 4, 8].filter((count) => given.ranks % count === 0 && heads % count === 0);
  return (
    possible.find((sequenceRanks) => plan({ ...given, sequenceRanks }).memory.total <= ASSUMED.gpuBytes) ??
    possible.at(-1)
  );
}

export function table({ adapter, backward = 'full' }) {
  const rows = [];
  for (const { short, long } of SETTINGS)
    for (const model of ['7B', '32B', '70B'])
      for (const ranks of [1, 8, 64]) {
        const given = { model, short, long, ranks, adapter, backward };
        const sequenceRanks = fitting(given);
        rows.push({ ...given, sequenceRanks, ...plan({ ...given, sequenceRanks }) });
      }
  return rows;
}

const gb = (bytes) => (bytes / 1e9).toFixed(bytes < 1e10 ? 1 : 0);

export function markdown(rows) {
  const lines = [
    '| model | contexts | GPUs | a sequence on | GB a rank: states | whole | activations | all | GB sent a step | s a step | tokens a second | limit |',
    '| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | --- |',
  ];
  for (const { model, short, long, ranks, sequenceRanks, memory, wire, seconds, tokensPerSecond, limit } of rows) {
    const fits = limit !== 'memory';
    lines.push(
      `| ${[
        model,
        `${short / 1024}K / ${long / 1024}K`,
        ranks,
        sequenceRanks,
        gb(memory.states),
        gb(memory.whole),
        gb(memory.activations),
        gb(memory.total),
        gb(wire.fsdp + wire.sequence),
        fits ? seconds.toFixed(1) : '-',
        fits ? Math.round(tokensPerSecond).toLocaleString('en') : '-',
        fits ? limit : '**memory**',
      ].join(' | ')} |`,
    );
  }
  return lines.join('\n');
}

export const TABLES = {
  'LoRA, full backward': { adapter: true },
  'LoRA, alignment.backward response': { adapter: true, backward: 'response' },
  'All parameters, full backward': { adapter: false },
};

if (import.meta.url === pathToFileURL(process.argv[1]).href) {
  const made = Object.entries(TABLES).map(([name, given]) => [name, table(given)]);
  if (process.argv.includes('--json')) console.log(JSON.stringify(Object.fromEntries(made), null, 2));
  else for (const [name, rows] of made) console.log(`### ${name}\n\n${markdown(rows)}\n`);
}
