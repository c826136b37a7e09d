// npm run conformance -- --quick | --all [--only KIND[/NAME]]... [--python PATH] [--transformers VERSION] [--json FILE]
//
// Folders with unusual but valid files are made by the installed transformers, PEFT, tokenizers and TRL, with the right values; the product
// reads them, and differences are listed. Needs the build. What was made is kept under .solopo/conformance, so that an interrupted run goes
// on from where it was, and the next one is fast.
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { outcomeOf } from './compare.mjs';
import { Expectations } from './expectations.mjs';
import { LineServer } from './line-server.mjs';
import { choosePython } from './python.mjs';
import { Progress } from './progress.mjs';
import { failed, printReport } from './report.mjs';

const KINDS = ['models', 'adapters', 'tokenizers', 'templates', 'exports'];
const USAGE =
  'npm run conformance -- --quick | --all [--only KIND[/NAME]]... [--python PATH] [--transformers VERSION] [--json FILE]\n' +
  `KIND: ${KINDS.join(', ')}`;
const HERE = import.meta.dirname;
const CACHE = resolve('.solopo/conformance');

const { values } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    all: { type: 'boolean', default: false },
    only: { type: 'string', multiple: true, default: [] },
    python: { type: 'string' },
    transformers: { type: 'string' },
    json: { type: 'string' },
  },
});
const chosen = values.only.map((each) => /^(\w+)(?:\/(.*))?$/s.exec(each)?.slice(1) ?? [each]);
if (values.quick === values.all || chosen.some(([kind]) => !KINDS.includes(kind))) {
  console.error(USAGE);
  process.exit(2);
}

const say = (line) => console.error(line);
const command = choosePython({ python: values.python, version: values.transformers, cache: CACHE, say });
const python = new LineServer([command, join(HERE, 'serve.py')]);
const product = new LineServer([process.execPath, join(HERE, 'product.mjs')]);
const expectations = Expectations.read();
const results = [];
let versions;

let interrupted = false;
process.on('SIGINT', () => {
  interrupted = true;
  void finish();
});

versions = await value(python.ask({ do: 'versions' }));
const items = [];
for (const kind of KINDS) {
  const wanted = chosen.filter(([name]) => name === kind);
  if (chosen.length > 0 && wanted.length === 0) continue;
  const isWanted = (name) =>
    wanted.length === 0 || wanted.some(([, only]) => only === undefined || name.startsWith(only));
  const listed = await value(python.ask({ do: 'list', kind }));
  for (const { name, digest, quick } of listed)
    if ((values.all || quick) && isWanted(name)) items.push({ kind, name, folder: join(CACHE, kind, digest) });
}
if (items.length === 0) throw new Error('nothing is called that; leave --only out to see all names in --json');

const progress = new Progress(items.length);
// The Python process is kept at work: it makes the next folders while the product reads those that are there.
const made = items.map((item) => ({ item, ready: makeOf(item) }));
for (const { item, ready } of made) {
  const result = expectations.apply(item, await outcome(item, await ready));
  if (interrupted) break;
  results.push({ kind: item.kind, name: item.name, folder: join(item.folder, 'model'), ...result });
  progress.tell(results);
}
if (!interrupted) await finish();

function makeOf({ kind, name, folder }) {
  if (existsSync(join(folder, 'expected.json'))) return Promise.resolve({ value: {} });
  mkdirSync(join(CACHE, kind), { recursive: true });
  return python.ask({ do: 'make', kind, name, folder });
}

async function outcome({ kind, name, folder }, making) {
  if (making.value === undefined) return { outcome: 'not made', message: faultOf(making) };
  const expected = JSON.parse(readFileSync(join(folder, 'expected.json'), 'utf8'));
  const reply = await product.ask({ kind, folder: join(folder, 'model'), expected });
  if (kind !== 'exports' || reply.value === undefined) return outcomeOf(kind, expected, reply);
  const read = await python.ask({ do: 'verify', kind, name, folder });
  if (read.value !== undefined) return outcomeOf(kind, expected, read);
  return { outcome: 'DIFFERENT', message: `the libraries do not read it: ${faultOf(read)}` };
}

function faultOf({ error, died }) {
  return error ? `${error.name}: ${error.message}` : `the process ended: ${died}`;
}

async function value(reply) {
  const answered = await reply;
  if (answered.value === undefined) throw new Error(`Python (${command}): ${faultOf(answered)}`);
  return answered.value;
}

async function finish() {
  await Promise.all([python.close(), product.close()]);
  printReport({ kinds: KINDS, results, versions, unneeded: expectations.unneeded(results) });
  if (interrupted) say(`interrupted after ${results.length} of ${items.length}; the same command goes on from here`);
  if (values.json) writeFileSync(values.json, `${JSON.stringify({ versions, results }, null, 1)}\n`);
  process.exit(interrupted ? 130 : failed(results) ? 1 : 0);
}
