// node tools/parity/auto-tokenizer.mjs OUT [FOLDER...]: what transformersTokens foresees of AutoTokenizer, for auto_tokenizer.py: in small
// folders made here, each under several model types and classes, and in the folders that are named. OUT/verdicts.json holds for each of
// them what is foreseen, texts, and the ids that are used here.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { parseTextFiles, readTextFiles, TextModel, TextModelError, transformersTokens } from '@solopo/text';
import { MADE_TOKENIZERS } from '../../libs/text/dist/made-tokenizers.fixture.js';

const [out, ...folders] = process.argv.slice(2);
if (!out) throw new Error('usage: node tools/parity/auto-tokenizer.mjs OUT [FOLDER...]');

const MODEL_TYPES = ['llama', 'mistral', 'qwen2', 'qwen3', 'gemma3_text', 'seed_oss'];
const CLASSES = [
  undefined,
  'PreTrainedTokenizerFast',
  'LlamaTokenizer',
  'Qwen2TokenizerFast',
  'GPT2Tokenizer',
  'OurTokenizer',
];
const paragraphs = ['first_100', 'last_40'].flatMap((name) =>
  readFileSync(new URL(`../../data/2wikimultihopqa/2wiki_dev_${name}.jsonl`, import.meta.url), 'utf8')
    .split('\n')
    .filter(Boolean)
    .flatMap((line) => JSON.parse(line).context.map(([title, sentences]) => `${title}\n${sentences.join(' ')}`)),
);
const TEXTS = [
  'hello hello 1984, it',
  '   hello  e\u0301 é 中 b',
  'a<x>b <y>c<p>d<s>hello</s>hello',
  'ΩΩ ψ ² ½ ٣٤',
  "they'LL don't\n\n 12345",
  'b a <eos> a  b',
  ...paragraphs.filter((_, index) => index % 10 === 0),
];

function* madeFolders() {
  for (const [name, { files }] of Object.entries(MADE_TOKENIZERS))
    for (const modelType of MODEL_TYPES)
      for (const tokenizerClass of CLASSES) {
        const config = { ...JSON.parse(files['tokenizer_config.json']), tokenizer_class: tokenizerClass };
        yield [
          `${name}, ${modelType}, ${tokenizerClass}`,
          {
            ...files,
            'tokenizer_config.json': JSON.stringify(config),
            'config.json': JSON.stringify({ model_type: modelType }),
          },
        ];
      }
}

const verdicts = [];
function foresee(name, path, files) {
  try {
    const text = TextModel.fromFiles(files);
    const { warning, note, ...facts } = transformersTokens(parseTextFiles(files));
    verdicts.push({
      name,
      path,
      ...facts,
      warning,
      note,
      texts: TEXTS,
      here: text.encodeAll(TEXTS).map((ids) => [...ids]),
    });
  } catch (error) {
    if (!(error instanceof TextModelError)) throw error;
    verdicts.push({ name, path, refused: error.message });
  }
}

let index = 0;
for (const [name, files] of madeFolders()) {
  const path = join(resolve(out), `${index++}`);
  mkdirSync(path, { recursive: true });
  for (const [file, content] of Object.entries(files)) writeFileSync(join(path, file), content);
  foresee(name, path, files);
}
for (const folder of folders) foresee(folder, resolve(folder), await readTextFiles(folder));
writeFileSync(join(out, 'verdicts.json'), JSON.stringify(verdicts));
console.log(`${verdicts.length} folders, ${verdicts.filter(({ refused }) => refused).length} of them refused here`);
