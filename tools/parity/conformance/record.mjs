// Keeps a sample of the tokenizers that a run of the comparison held equal as a fixture, so that the tests need no Python:
//   npm run conformance -- --all --only tokenizers --json report.json
//   node tools/parity/conformance/record.mjs report.json libs/text/src/fixtures/conformance.json
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { TEXT_FILES } from '@solopo/text';

/** Kinds of tokenizers that `made-tokenizers.fixture.ts` has not. */
const TOKENIZERS = [
  "bytes, o200k's words",
  'bytes, split by expression, contiguous',
  'bytes, punctuation merged_with_previous',
  'bytes, around a text: ends',
  'pieces',
  'Unigram, trained, NFKC',
  'WordPiece, cleaned up',
  'added, single_word and strips',
  'added, both strips, special',
  'special_tokens_map with flags',
];
const LONGEST_TEXT = 60;

const [report, out] = process.argv.slice(2);
if (!out) throw new Error('usage: node tools/parity/conformance/record.mjs REPORT.json FIXTURE.json');
const { versions, results } = JSON.parse(readFileSync(report, 'utf8'));
const equal = results.filter(({ outcome }) => outcome === 'equal');
const expectedOf = ({ folder }) => JSON.parse(readFileSync(join(dirname(folder), 'expected.json'), 'utf8'));

const tokenizers = equal
  .filter(({ kind, name }) => kind === 'tokenizers' && TOKENIZERS.includes(name))
  .map((result) => {
    const { texts, ids, lists, decoded } = expectedOf(result);
    const short = (value, i) => texts[i] === undefined || texts[i].length <= LONGEST_TEXT;
    return [
      result.name,
      {
        files: Object.fromEntries(
          TEXT_FILES.filter((file) => existsSync(join(result.folder, file))).map((file) => [
            file,
            JSON.stringify(JSON.parse(readFileSync(join(result.folder, file), 'utf8'))),
          ]),
        ),
        texts: texts.filter(short),
        ids: ids.filter(short),
        lists: lists.filter(short),
        decoded: decoded.filter(short),
      },
    ];
  });
const { transformers, tokenizers: library } = versions;
writeFileSync(
  out,
  JSON.stringify({
    versions: { transformers, tokenizers: library },
    tokenizers: Object.fromEntries(tokenizers),
  }),
);
console.log(`${tokenizers.length} tokenizers in ${out}`);
