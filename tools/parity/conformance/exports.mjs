// Writes what a run of a base folder would be exported as, by the product's own code, beside it: `product/`.
import { createHash } from 'node:crypto';
import { cpSync, createReadStream, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { promptSchema } from '@solopo/contracts';
import { promptMessages, renderDocument } from '@solopo/corpus';
import {
  formatAdapterConfig,
  initialiseLora,
  LanguageModel,
  LORA_TARGETS,
  readModelFolder,
  toPeftNames,
  writeSafetensors,
} from '@solopo/lm';
import { TextModel } from '@solopo/text';
import { mergeIntoBase } from '../../../apps/cli/dist/export/merge-into-base.js';
import { demandTrlTexts, PAIR_FORMATS } from '../../../apps/gateway/dist/runs/pair-formats.js';
import { logpsOf } from './logps.mjs';

const LORA = { rank: 3, alpha: 6, targets: LORA_TARGETS, rsLora: true };
/** What an adapter's folder does not take from its base, as the gateway has it: weights and the model's settings. */
const OF_THE_MODEL = /\.(safetensors|bin)$|\.index\.json$|^(config|generation_config)\.json$/;
const TEXTS = [
  'hello world',
  ' Größe: 12,5 é\n\n x',
  'the answer is 42',
  '<s>hello</s> hello',
  'doc : the code of iris is 7 . ?',
];
const PROMPT = promptSchema.parse({});
const PAIRS = [
  {
    question: 'where is it?',
    documents: ['it is in paris', 'hello world'],
    chosen: 'in paris',
    rejected: 'in london, no',
  },
  { question: 'how many?', documents: ['12 or 13'], chosen: '12', rejected: '13.' },
  { question: 'what is the code of iris?', documents: ['doc : iris is 7'], chosen: ' 7', rejected: 'hello\nhello' },
];

export async function writeExports(folder, { what }, runtime) {
  const out = join(dirname(folder), 'product');
  rmSync(out, { recursive: true, force: true });
  const text = await TextModel.fromFolder(folder);
  const { config, weights } = readModelFolder(folder);
  const base = new LanguageModel(config, weights, runtime);
  const sequences = [90, 200].map((length, seed) =>
    Array.from({ length }, (_, i) => (i * i * 7 + 3 * i + 5 + 11 * seed) % text.vocabularySize),
  );
  const product = { sequences, logps: {} };

  mkdirSync(join(out, 'model'), { recursive: true });
  // A policy that was trained in full: its weights over the base's other files.
  const trained = new Map(
    [...weights].map(([name, tensor]) => [name, { ...tensor, data: tensor.data.map((x) => 1.02 * x) }]),
  );
  copy(folder, join(out, 'model'), /\.safetensors$|\.index\.json$/);
  writeSafetensors(join(out, 'model/model.safetensors'), trained);
  const policy = LanguageModel.fromFolder(join(out, 'model'), runtime);
  product.logps.model = await logpsOf(policy, sequences);

  if (what === 'adapter' || what === 'merged') {
    const adapter = randomAdapter(config);
    copy(folder, join(out, 'adapter'), OF_THE_MODEL);
    writeFileSync(join(out, 'adapter/adapter_config.json'), JSON.stringify(formatAdapterConfig(LORA, 'base')));
    writeSafetensors(join(out, 'adapter/adapter_model.safetensors'), toPeftNames(adapter));
    product.logps.adapter = await logpsOf(base.withAdapter({ options: LORA, weights: adapter }), sequences);
  }
  if (what === 'merged') {
    mkdirSync(join(out, 'merged'));
    await mergeIntoBase(...localManifest(folder, join(out, 'adapter')), join(out, 'merged'), {
      say: () => undefined,
      signal: new AbortController().signal,
    });
    product.logps.merged = await logpsOf(LanguageModel.fromFolder(join(out, 'merged'), runtime), sequences);
  }
  const conversations = [
    [{ role: 'user', content: 'hello world' }],
    [
      { role: 'user', content: ' two\n\nlines ' },
      { role: 'assistant', content: 'yes' },
      { role: 'user', content: 'and?' },
    ],
  ];
  product.texts = TEXTS;
  product.ids = text.encodeAll(TEXTS).map((ids) => [...ids]);
  product.messages = conversations;
  product.prompts = conversations.map((messages) => text.renderPrompt(messages));
  if (what.startsWith('pairs ')) Object.assign(product, await pairsOf(text, policy, what.slice('pairs '.length)));
  writeFileSync(join(out, 'product.json'), JSON.stringify(product));
  return {};
}

/** As `pairs export` writes them; with the log-probabilities of the responses' tokens, as they were scored. */
async function pairsOf(text, policy, format) {
  if (format === 'trl') demandTrlTexts(text, 0);
  const pairs = PAIRS.map(({ question, documents, chosen, rejected }) => {
    const joined = documents.map((document) => renderDocument({ text: document }, PROMPT)).join(PROMPT.separator);
    const messages = promptMessages(question, joined, PROMPT);
    const response = (answer) => text.responseTokens(messages, answer);
    return { question, context: text.promptTokens(messages), chosen: response(chosen), rejected: response(rejected) };
  });
  const rows = (name) => pairs.map((pair) => PAIR_FORMATS[name](pair, { text, prompt: PROMPT }));
  const pairLogps = [];
  for (const { context, chosen, rejected } of pairs) {
    const [a, b] = await logpsOf(policy, [
      [...context, ...chosen],
      [...context, ...rejected],
    ]);
    pairLogps.push({ chosen: a.slice(context.length - 1), rejected: b.slice(context.length - 1) });
  }
  return { pairs: { [format]: rows(format), 'trl-tokens': rows('trl-tokens') }, pairLogps };
}

function copy(from, to, but) {
  mkdirSync(to, { recursive: true });
  for (const file of readdirSync(from)) if (!but.test(file)) cpSync(join(from, file), join(to, file));
}

/** B is not zero: the adapter changes something. */
function randomAdapter(config) {
  let state = 1;
  const next = () => (state = (state * 48_271) % 2_147_483_647) / 2_147_483_647 - 0.5;
  return new Map(
    [...initialiseLora(config, LORA, 1)].map(([name, { dims, data }]) => [
      name,
      { dims, data: name.endsWith('lora_B.weight') ? data.map(() => 0.2 * next()) : data },
    ]),
  );
}

/** The API and the manifest that `solopo export` works from, over two folders. */
function localManifest(base, adapter) {
  const paths = new Map();
  const digests = (folder) =>
    Object.fromEntries(
      readdirSync(folder).map((file) => {
        const path = join(folder, file);
        const digest = createHash('sha256').update(readFileSync(path)).digest('hex');
        paths.set(digest, path);
        return [file, digest];
      }),
    );
  const baseFiles = digests(base);
  const files = Object.entries(digests(adapter)).map(([name, digest]) => ({ name, digest, content: null }));
  const api = {
    model: () => Promise.resolve({ name: 'base', files: baseFiles, engines: ['onnx', 'torch'] }),
    readArtifact: (digest) => Promise.resolve(createReadStream(paths.get(digest))),
  };
  return [api, { baseModel: 'base', files }];
}
