// node tools/parity/gguf-tokens.mjs FILE.gguf LLAMA: the ids of a byte-pair GGUF file's tokenizer, as this project makes a tokenizer.json of
// it, against those of llama.cpp: by the file's own splitting rule on 2WikiMultihopQA's paragraphs, and by every rule that is known, the
// file's vocabulary being kept, on some of them and on texts that rules differ about. LLAMA: a folder with node-llama-cpp installed
// (npm install --ignore-scripts node-llama-cpp), which brings llama.cpp built.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { GgufModel } from '@solopo/lm';
import { ggufBytes } from '@solopo/testing';
import { ggufTokenizerFiles, SPLITTING_RULES, TextModel } from '@solopo/text';

const [file, llamaFolder] = process.argv.slice(2);
const { getLlama } = await import(
  pathToFileURL(join(resolve(llamaFolder), 'node_modules/node-llama-cpp/dist/index.js')).href
);
const llama = await getLlama({ build: 'never', gpu: false, logLevel: 'disabled' });
const folder = mkdtempSync(join(tmpdir(), 'solopo-tokens-'));

const HARD = [
  '',
  ' ',
  '\n\n\n a',
  "they'LL 'tis DON'T I'm",
  '12345 1,234.5 ½², ३ 2024-01-05',
  'naïve café — 東京は日本の首都です。 Привет, мир! 🙂',
  'camelCase HTTPServer ÉCOLE aÉb fooBAR1x',
  'a\t\tb  \r\n\r\nc   d',
  'x = {"a": [1, 2], "b": $5 <= 10 ^ 2 ~ `code`};',
  '!important #tag @user (see: p.12) /path/to/file_name.txt',
  '한국어 텍스트 ประเทศไทย हिन्दी में',
];
const paragraphs = ['first_100', 'last_40'].flatMap((name) =>
  readFileSync(new URL(`../../data/2wikimultihopqa/2wiki_dev_${name}.jsonl`, import.meta.url), 'utf8')
    .split('\n')
    .filter(Boolean)
    .flatMap((line) => JSON.parse(line).context.map(([title, sentences]) => `${title}\n${sentences.join(' ')}`)),
);

/** Texts whose ids differ, and how many ids there are. */
async function compare(path, metadata, texts) {
  const ours = TextModel.fromFiles(ggufTokenizerFiles(metadata));
  const model = await llama.loadModel({ modelPath: path, vocabOnly: true });
  let ids = 0;
  const differing = texts.filter((text) => {
    const mine = ours.encode(text);
    ids += mine.length;
    return mine.join() !== model.tokenize(text, false).join();
  });
  await model.dispose();
  return { ids, differing };
}

const source = GgufModel.open(file);
const metadata = new Map(source.metadata);
source.close();
let failed = false;
const report = (name, { ids, differing }, texts) => {
  failed ||= differing.length > 0;
  const shown = differing.length === 0 ? '' : `  ${JSON.stringify(differing[0].slice(0, 60))}`;
  console.log(`${name.padEnd(18)} ${texts.length} texts, ${ids} ids, ${differing.length} texts differ${shown}`);
};

const all = [...HARD, ...paragraphs];
report(`${metadata.get('tokenizer.ggml.pre')} (own)`, await compare(file, metadata, all), all);
const some = [...HARD, ...paragraphs.slice(0, 100)];
for (const name of Object.keys(SPLITTING_RULES)) {
  const changed = new Map([...metadata, ['tokenizer.ggml.pre', name]]);
  // A whole number, which would be written as an integer; a vocabulary needs none.
  changed.delete('llama.rope.freq_base');
  const path = join(folder, 'vocabulary.gguf');
  writeFileSync(path, ggufBytes(Object.fromEntries(changed), []));
  report(name, await compare(path, changed, some), some);
}
rmSync(folder, { recursive: true });
process.exit(failed ? 1 : 0);
