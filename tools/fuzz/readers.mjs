// What reads files and messages of others: each with real ones, how they are spoilt, and what must come of it.
import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import * as contracts from '@solopo/contracts';
import { exampleLine, readExamples, retrievalExamples, retrievalTokenizer } from '@solopo/corpus';
import {
  GgufModel,
  modelParameters,
  parameterCount,
  parseAdapterConfig,
  parseModelConfig,
  readLlama2c,
  readModelFolder,
  readSafetensors,
  readSafetensorsHeader,
} from '@solopo/lm';
import { checkFolder } from '@solopo/lm/model-folder';
import { tinyGguf } from '@solopo/testing';
import { checkTemplate, ggufTokenizerFiles, llama2cTokenizerFiles, readJsonText, TextModel } from '@solopo/text';
import fc from 'fast-check';
import { z } from 'zod';
import { parseSetting, readRunFile } from '../../apps/cli/dist/run-file/run-file.js';
import { TINY, tinyModel, tinyModelWithAdapter } from '../../apps/gateway/dist/testing/tiny-model.fixture.js';
import { MADE_TOKENIZERS } from '../../libs/text/dist/made-tokenizers.fixture.js';
import { byteEdits, editBytes, editValue, hostileText, jsonOf, valueEdits } from './mutations.mjs';
import { nearSchema } from './near-schema.mjs';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const read = (...path) => readFileSync(join(ROOT, ...path));
const text = (...path) => read(...path).toString('utf8');
const firstLines = (content, count) => content.split('\n').slice(0, count).join('\n');

/** Bytes, edited. */
const ofBytes = (samples) =>
  fc
    .record({ sample: fc.constantFrom(...samples), edits: byteEdits })
    .map(({ sample, edits }) => editBytes(sample, edits));

/** JSON, of which values are edited, or bytes. */
const ofJson = (samples) =>
  fc.oneof(
    { weight: 3, arbitrary: edited(samples).map((value) => Buffer.from(jsonOf(value))) },
    { weight: 1, arbitrary: ofBytes(samples.map((value) => Buffer.from(JSON.stringify(value)))) },
  );

const edited = (samples) =>
  fc
    .record({ sample: fc.nat(samples.length - 1), edits: valueEdits })
    .map(({ sample, edits }) => editValue(samples[sample], edits));

/** One of some files, edited: `[name, bytes]`. */
const ofOneFile = (files) =>
  fc.constantFrom(...Object.keys(files)).chain((name) => {
    const content = Buffer.from(files[name]);
    const arbitrary = name.endsWith('.json') ? ofJson([JSON.parse(content.toString('utf8'))]) : ofBytes([content]);
    return arbitrary.map((bytes) => [name, bytes]);
  });

/** A model folder, in a file that is rewritten for each case. */
function folderOf(scratch, name, files, [spoilt, bytes]) {
  const folder = join(scratch, name);
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  for (const [file, content] of Object.entries(files))
    writeFileSync(join(folder, file), file === spoilt ? bytes : content);
  return folder;
}

function file(scratch, name, bytes) {
  const path = join(scratch, name);
  writeFileSync(path, bytes);
  return path;
}

/** A safetensors file, in its header's JSON; the tensors behind it stay. */
function ofSafetensors(samples) {
  const headers = fc.record({ sample: fc.constantFrom(...samples), edits: valueEdits }).map(({ sample, edits }) => {
    const length = Number(sample.readBigUInt64LE());
    const json = Buffer.from(jsonOf(editValue(JSON.parse(sample.subarray(8, 8 + length).toString('utf8')), edits)));
    const prefix = Buffer.alloc(8);
    prefix.writeBigUInt64LE(BigInt(json.length));
    return Buffer.concat([prefix, json, sample.subarray(8 + length)]);
  });
  return fc.oneof(headers, ofBytes(samples));
}

function demand(fact, what) {
  if (!fact) throw new Error(what);
}

const demandJsonSafe = (value) => JSON.stringify(value);

const DATASETS = {
  solopo: [...retrievalExamples({ seed: 1, count: 3, documents: 3 })].map(exampleLine).join(''),
  hotpotqa: firstLines(text('data/hotpotqa/hotpot_dev_distractor_40.jsonl'), 1),
  '2wiki': firstLines(text('data/2wikimultihopqa/2wiki_dev_last_40.jsonl'), 1),
  musique: firstLines(text('data/musique/musique_ans_dev_40.jsonl'), 1),
};

const plainFiles = { ...retrievalTokenizer() };
const tiny = tinyModel();
const withAdapter = tinyModelWithAdapter();
const TOKENIZER_FOLDERS = [plainFiles, ...Object.values(MADE_TOKENIZERS).map(({ files }) => files)];
const TEMPLATES = [
  text('data/chat-templates/qwen3.jinja'),
  text('data/models/smollm2-360m-instruct/chat_template.jinja'),
  JSON.parse(text('data/models/qwen2.5-0.5b-instruct/tokenizer_config.json')).chat_template,
  JSON.parse(plainFiles['tokenizer_config.json']).chat_template,
].filter((template) => typeof template === 'string');
const TEMPLATE_PARTS = [
  '{% for x in range(10) %}{{ x }}{% endfor %}',
  "{{ 'a' * 99999 }}",
  '{{ messages[0].content | upper | trim }}',
  '{% set ns = namespace(a=1) %}{{ ns.a }}',
  '{% macro f(a) %}{{ f(a) }}{% endmacro %}{{ f(1) }}',
  '{{ 2 ** 9999 }}',
  '{{ 1 // 0 }}',
  "{{ '%s' % messages }}",
  "{{ '{:>99999}'.format(1) }}",
  '{{ messages | tojson(indent=9) }}',
  '{{ ().__class__.__mro__ }}',
  "{{ raise_exception('no') }}",
  '{% raw %}{{{% endraw %}',
  '{{ strftime_now("%Y") }}',
  `${'{% if true %}'.repeat(3000)}`,
  `{{ ${'('.repeat(5000)}1${')'.repeat(5000)} }}`,
  `{{ ${'-'.repeat(5000)}1 }}`,
  `{{ ${'[0]'.repeat(5000)} }}`,
];

const CONFIGS = [
  JSON.parse(text('data/models/retrieval-144k/config.json')),
  JSON.parse(text('data/models/qwen2.5-0.5b-instruct/config.json')),
  JSON.parse(text('data/models/smollm2-360m-instruct/config.json')),
  JSON.parse(tiny['config.json']),
  {
    model_type: 'gemma3_text',
    vocab_size: 64,
    hidden_size: 8,
    num_hidden_layers: 2,
    num_attention_heads: 2,
    num_key_value_heads: 1,
    head_dim: 4,
    intermediate_size: 16,
    max_position_embeddings: 64,
    rope_theta: 1e6,
    rope_local_base_freq: 1e4,
    sliding_window: 8,
    sliding_window_pattern: 2,
    query_pre_attn_scalar: 4,
    rms_norm_eps: 1e-6,
    rope_scaling: { rope_type: 'yarn', factor: 4, original_max_position_embeddings: 16 },
  },
];
const ADAPTER = JSON.parse(withAdapter['adapter_config.json']);
const RUN_FILES = [
  text('examples/musique-solo-dpo.yaml'),
  text('examples/2wiki-solo-dpo-lora.yaml'),
  text('examples/retrieval-arms/solo.yaml'),
  '{"name":"r","model":"m","dataset":"d","contexts":{"long":{"documents":16}}}',
];

const gguf = tinyGguf();
const stories = read('data/models/stories260k/stories260K.bin');
const tok512 = read('data/models/stories260k/tok512.bin');

/** Schemas of what crosses the bus and the API. */
const SCHEMAS = Object.entries(contracts).filter(
  ([name, value]) => name.endsWith('Schema') && value instanceof z.ZodType,
);

/** Values near a schema, and what becomes of them. Made when it is first asked for: a schema has many parts. */
const ofSchemas = fc.constantFrom(...SCHEMAS.map(([name]) => name)).chain((name) => {
  const value = (nearby[name] ??= nearSchema(...jsonSchemaOf(contracts[name])));
  return fc
    .oneof(
      value,
      fc.record({ value, edits: valueEdits }).map(({ value: whole, edits }) => editValue(whole, edits)),
    )
    .map((made) => [name, jsonOf(made)]);
});
const nearby = {};

function jsonSchemaOf(schema) {
  const root = z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' });
  return [root, (reference) => root.$defs?.[reference.split('/').at(-1)] ?? root];
}

function parseJson(json) {
  try {
    return { value: JSON.parse(json) };
  } catch {
    return null;
  }
}

/** Each: what is read, an arbitrary of it, and what is done with it; what that returns is the outcome, in a word. */
export const READERS = {
  dataset: {
    arbitrary: () =>
      fc.constantFrom(...Object.keys(DATASETS)).chain((format) => {
        const lines = DATASETS[format].trim().split('\n');
        const records = lines.map((line) => JSON.parse(line));
        const json = fc.oneof(
          {
            weight: 4,
            arbitrary: ofJson(records).map((bytes) => Buffer.concat([bytes, Buffer.from(`\n${lines[0]}\n`)])),
          },
          { weight: 1, arbitrary: ofJson([records]) },
          { weight: 2, arbitrary: ofBytes([Buffer.from(DATASETS[format])]) },
        );
        return fc.record({ format: fc.constant(format), json, cut: fc.nat(2000) });
      }),
    async run({ format, json, cut }) {
      let [good, refused] = [0, 0];
      for await (const line of readExamples(ReadableStream.from([json.subarray(0, cut), json.subarray(cut)]), format)) {
        if ('reason' in line) {
          refused += 1;
          demand(line.reason.length > 0, 'a line is refused without a reason');
        } else {
          good += 1;
          contracts.exampleSchema.parse(line.example);
          demand([...contracts.unstorableTexts(line.example)].length === 0, 'a text that cannot be stored is taken');
        }
      }
      return refused > 0 ? 'lines refused' : good > 0 ? 'read' : 'nothing there';
    },
  },

  safetensors: {
    arbitrary: () => ofSafetensors([tiny['model.safetensors'], withAdapter['adapter_model.safetensors']]),
    run(bytes, scratch) {
      const path = file(scratch, 'model.safetensors', bytes);
      demandJsonSafe([...readSafetensorsHeader(path).tensors]);
      for (const { dims, data } of readSafetensors(path).tensors.values())
        demand(
          dims.reduce((product, dim) => product * dim, 1) === data.length,
          'a tensor has another size than its shape',
        );
      return 'read';
    },
  },

  gguf: {
    arbitrary: () => ofBytes([gguf]),
    run(bytes, scratch) {
      const model = GgufModel.open(file(scratch, 'model.gguf', bytes));
      try {
        demandJsonSafe([
          model.storedWeights(),
          model.formatConfig({ format: 'gguf', file_type: model.fileType, sha256: '' }),
        ]);
        ggufTokenizerFiles(model.metadata);
        model.writeWeights(join(scratch, 'written.safetensors'));
      } finally {
        model.close();
      }
      return 'read';
    },
  },

  'gguf-file': {
    arbitrary: () => ofBytes([gguf]),
    run: async (bytes, scratch) => checked(await checkFolder(file(scratch, 'model.gguf', bytes))),
  },

  config: {
    arbitrary: () => edited(CONFIGS).map(jsonOf),
    run(json) {
      const parsed = readJsonText(json);
      if ('fault' in parsed) return 'no JSON';
      const config = parseModelConfig(parsed.value);
      demand(Number.isFinite(parameterCount(config)), 'a number of parameters that is none');
      if (config.layers < 1000) demand(modelParameters(config).length > 0, 'a model without parameters');
      return 'read';
    },
  },

  adapter: {
    arbitrary: () => edited([ADAPTER]).map(jsonOf),
    run(json) {
      const parsed = readJsonText(json);
      if ('fault' in parsed) return 'no JSON';
      parseAdapterConfig(parsed.value, TINY);
      return 'read';
    },
  },

  folder: {
    arbitrary: () => ofOneFile(withAdapter),
    run: async (spoilt, scratch) => checked(await checkFolder(folderOf(scratch, 'folder', withAdapter, spoilt))),
  },

  weights: {
    arbitrary: () =>
      fc.oneof(
        ofSafetensors([tiny['model.safetensors']]).map((bytes) => ['model.safetensors', bytes]),
        ofSafetensors([withAdapter['adapter_model.safetensors']]).map((bytes) => ['adapter_model.safetensors', bytes]),
        ofJson([ADAPTER]).map((bytes) => ['adapter_config.json', bytes]),
        ofJson([JSON.parse(tiny['config.json'])]).map((bytes) => ['config.json', bytes]),
        ofJson([{ metadata: { total_size: 1 }, weight_map: { 'model.embed_tokens.weight': 'model.safetensors' } }]).map(
          (bytes) => ['model.safetensors.index.json', bytes],
        ),
      ),
    run([name, bytes], scratch) {
      const files = name.endsWith('.index.json') ? { ...tiny, [name]: '' } : withAdapter;
      const folder = folderOf(scratch, 'weights', files, [name, bytes]);
      // Shards count where there is no single file.
      if (name.endsWith('.index.json')) {
        cpSync(join(folder, 'model.safetensors'), join(folder, 'model-00001-of-00001.safetensors'));
        rmSync(join(folder, 'model.safetensors'));
      }
      readModelFolder(folder);
      return 'read';
    },
  },

  llama2c: {
    arbitrary: () => ofBytes([stories]),
    run(bytes) {
      readLlama2c(bytes);
      return 'read';
    },
  },

  'llama2c-tokenizer': {
    arbitrary: () => ofBytes([tok512]),
    run(bytes) {
      llama2cTokenizerFiles(bytes);
      return 'read';
    },
  },

  tokenizer: {
    arbitrary: () =>
      fc.nat(TOKENIZER_FOLDERS.length - 1).chain((index) => {
        const files = TOKENIZER_FOLDERS[index];
        return ofOneFile(files).map((spoilt) => ({ index, spoilt }));
      }),
    run({ index, spoilt: [name, bytes] }) {
      const model = TextModel.fromFiles({ ...TOKENIZER_FOLDERS[index], [name]: bytes.toString('utf8') });
      const ids = model.encode('Hello, wörld 19 🙂');
      model.decode(ids);
      return 'read';
    },
  },

  template: {
    arbitrary: () =>
      fc
        .record({
          sample: fc.constantFrom(...TEMPLATES, ...TEMPLATE_PARTS),
          part: fc.constantFrom(...TEMPLATE_PARTS),
          share: fc.double({ min: 0, max: 1, noNaN: true }),
          edits: fc.oneof(fc.constant([]), byteEdits),
          content: hostileText,
        })
        .map(({ sample, part, share, edits, content }) => {
          const at = Math.floor(share * sample.length);
          const source = sample.slice(0, at) + part + sample.slice(at);
          return { source: editBytes(Buffer.from(source), edits).toString('utf8'), content };
        }),
    run({ source, content }) {
      const model = TextModel.fromFiles({ ...plainFiles, 'chat_template.jinja': source });
      model.renderPrompt([{ role: 'user', content }]);
      checkTemplate(model);
      return 'rendered';
    },
  },

  'run-file': {
    arbitrary: () =>
      fc.oneof(
        ofBytes(RUN_FILES.map((source) => Buffer.from(source))).map((bytes) => ({
          source: bytes.toString('utf8'),
          settings: [],
        })),
        ofJson([JSON.parse(RUN_FILES.at(-1))]).map((bytes) => ({ source: bytes.toString('utf8'), settings: [] })),
        fc.record({
          source: fc.constantFrom(...RUN_FILES),
          settings: fc.array(
            fc.record({
              key: fc.oneof(
                fc.constantFrom(
                  'training.learningRate',
                  'name',
                  'contexts.long',
                  'name.a',
                  '0',
                  'a.0.b',
                  '__proto__.x',
                ),
                hostileText,
              ),
              value: fc.oneof(
                hostileText,
                fc.constantFrom('1', '[', '{', '*a', '&a [*a]', '!!js/function x', '? x', '- - - -'),
              ),
            }),
            { minLength: 1, maxLength: 3 },
          ),
        }),
      ),
    run({ source, settings }) {
      readRunFile(
        source,
        'run.yaml',
        settings.map(({ key, value }) => parseSetting(`${key}=${value}`)),
      );
      return 'read';
    },
  },

  schemas: {
    arbitrary: () => ofSchemas,
    run([name, json]) {
      const parsed = parseJson(json);
      if (parsed === null) return 'no JSON';
      const result = contracts[name].safeParse(parsed.value);
      if (!result.success) return 'refused';
      [...contracts.unstorableTexts(result.data)].slice(0, 1);
      return 'taken';
    },
  },
};

function checked({ faults, ...facts }) {
  demandJsonSafe(facts);
  demand(
    faults.every((fault) => typeof fault === 'string' && fault.length > 0),
    'a fault without words',
  );
  return faults.length > 0 ? 'faults told' : 'read';
}

export const readerNames = Object.keys(READERS);
