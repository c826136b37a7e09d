// One measured case: node tools/bench/compose.cases.mjs NAME OPTIONS-AS-JSON. Prints its figures as one line of JSON.
import { createHash } from 'node:crypto';
import { createReadStream, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { cpuUsage } from 'node:process';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { pathToFileURL } from 'node:url';

const [, , name, json] = process.argv;
const options = JSON.parse(json);
const load = (path) => import(pathToFileURL(join(options.root, path)).href);
const corpus = await load('libs/corpus/dist/index.js');
const text = await load('libs/text/dist/index.js');
const { promptSchema } = await load('libs/contracts/dist/index.js');
const DATA = join(options.root, 'data');
const FILES = [
  ['2wiki', '2wikimultihopqa/2wiki_dev_first_100.jsonl'],
  ['2wiki', '2wikimultihopqa/2wiki_dev_last_40.jsonl'],
  ['musique', 'musique/musique_ans_train_100.jsonl'],
  ['musique', 'musique/musique_ans_dev_40.jsonl'],
];

async function samples() {
  const found = [];
  for (const [format, file] of FILES)
    for await (const line of corpus.readExamples(contentOf(join(DATA, file)), format))
      if ('example' in line) found.push(line.example);
  return found;
}

/** Builds before took lines, and gave their reader. */
function contentOf(path) {
  const stream = createReadStream(path);
  return corpus.linesOf ? corpus.linesOf(stream) : stream;
}

/** The samples again and again, each copy with its number in every title: no document is met in two copies. */
function copyOf(all, position) {
  const example = all[position % all.length];
  const copy = Math.floor(position / all.length);
  const documents = example.documents.map(({ title, ...rest }) => ({
    ...rest,
    title: `${title ?? ''} ${copy}`.trim(),
  }));
  return { ...example, id: `${example.id}-${copy}`, documents };
}

const spec = {
  prompt: promptSchema.parse({}),
  contexts: { short: { distractors: 2 }, long: { maxTokens: options.maxTokens } },
};
const folder = join(DATA, 'models', options.model ?? '');

const CASES = {
  /** The service's own function, with its composing process; only the ledger is not there. */
  async service({ records }) {
    const { Composer } = await load('apps/datagen/dist/composer/composer.js');
    const { ComposeContexts } = await load('apps/datagen/dist/functions/compose-contexts.js');
    const all = await samples();
    const composer = new Composer({ defer: () => undefined });
    const pages = async function* (_, { from, to }) {
      for (let at = from; at < to; at += 24)
        yield await Promise.resolve(
          Array.from({ length: Math.min(24, to - at) }, (__, i) => ({
            position: at + i,
            content: copyOf(all, at + i),
          })),
        );
    };
    const contents = async function* () {
      for await (const page of pages('', { from: 0, to: records })) yield page.map(({ content }) => content);
    };
    const work = new ComposeContexts(
      { pages, contents },
      { folder: () => Promise.resolve(folder), positions: () => Promise.resolve(Infinity) },
      composer,
    );
    const context = { signal: new AbortController().signal, advanced: () => undefined };
    const delay = monitorEventLoopDelay({ resolution: 5 });
    delay.enable();
    const started = performance.now();
    const memory = [];
    for (let from = 0; from < records; from += 100) {
      const range = { from, to: Math.min(records, from + 100) };
      await work.execute(
        { stage: 's', spec: { dataset: 'd', model: 'm', seed: 1, ...spec }, range, items: records },
        context,
      );
      memory.push(process.memoryUsage().rss + residentOf(composer.pid));
    }
    const tenth = Math.ceil(memory.length / 10);
    const greatest = (values) => Math.max(...values);
    return {
      seconds: (performance.now() - started) / 1000,
      longestDelayMs: delay.max / 1e6,
      growth: greatest(memory.slice(-tenth)) / greatest(memory.slice(tenth, 2 * tenth)),
    };
  },

  /** The library alone, of any build, in this thread and the tokenizer's. */
  async library({ records }) {
    text.tokenizeHere?.();
    const all = await samples();
    const examples = Array.from({ length: records }, (_, position) => copyOf(all, position));
    const pool = new corpus.DocumentPool(corpus.documentsOf ? corpus.documentsOf(examples) : examples);
    const model = await text.TextModel.fromFolder(folder);
    const digest = createHash('sha256');
    const started = cpuUsage();
    for (const example of examples) {
      const made = corpus.composeContexts(example, { ...spec, text: model, seed: 1, pool });
      for (const { tokens, evidence } of 'refused' in made ? [] : [made.short, made.long])
        digest
          .update(new Uint8Array(tokens.buffer, tokens.byteOffset, tokens.byteLength))
          .update(JSON.stringify(evidence));
    }
    const { user, system } = cpuUsage(started);
    return { cpuSeconds: (user + system) / 1e6, digest: digest.digest('hex') };
  },

  /** 2Wiki's paragraphs, again and again with the copy's number behind them. */
  async tokenize({ megabytes }) {
    text.tokenizeHere();
    const model = await text.TextModel.fromFolder(folder);
    const texts = paragraphs(megabytes);
    const own = await measured(() => model.encodeAll(texts));
    model.encodeKept(texts);
    const kept = await measured(() => model.encodeKept(texts));
    const tokens = own.result.reduce((sum, ids) => sum + ids.length, 0);
    return { tokens, coldSeconds: own.cpuSeconds, keptSeconds: kept.cpuSeconds };
  },
};

function paragraphs(megabytes) {
  const lines = FILES.slice(0, 2).flatMap(([, file]) => readFileSync(join(DATA, file), 'utf8').trim().split('\n'));
  const all = lines.flatMap((line) => JSON.parse(line).context.map(([, sentences]) => sentences.join(' ')));
  const texts = [];
  for (let size = 0, i = 0; size < megabytes * 1e6; i++) {
    texts.push(`${all[i % all.length]} ${Math.floor(i / all.length)}`);
    size += Buffer.byteLength(texts.at(-1));
  }
  return texts;
}

async function measured(work) {
  const started = cpuUsage();
  const result = work();
  const { user, system } = cpuUsage(started);
  return { result, cpuSeconds: (user + system) / 1e6 };
}

/** Bytes of another process in memory; 0 where there is no /proc. */
function residentOf(pid) {
  try {
    return 1024 * Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))[1]);
  } catch {
    return 0;
  }
}

console.log(JSON.stringify(await CASES[name](options)));
process.exit(0);
