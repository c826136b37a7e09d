// The product's side of `npm run conformance`: reads folders and answers what it makes of them, a line of JSON for each line of JSON. One
// process for all: what ends it is the product's crash, and says so.
import { writeSync } from 'node:fs';
import { inspectModelFiles, LanguageModel, LogitsNotFiniteError, ModelError, Runtime } from '@solopo/lm';
import * as text from '@solopo/text';
import { SolopoError } from '@solopo/contracts';
import { writeExports } from './exports.mjs';
import { linesOf } from './lines.mjs';
import { logpsOf } from './logps.mjs';

const { TextModel, TextModelError } = text;

/** What names the fault of a folder; any other error is the product's own. */
const REFUSALS = [ModelError, TextModelError, LogitsNotFiniteError, SolopoError];
/** Sessions of models that are gone are let go. */
const MODELS_A_RUNTIME = 25;

let runtime;
let models = 0;
async function freshRuntime() {
  if (models++ % MODELS_A_RUNTIME === 0) {
    await runtime?.close();
    runtime = new Runtime({ threads: 1 });
  }
  return runtime;
}

/** `inspectModelFiles` looks at the headers alone, before a model is taken: it has to say what reading says. */
async function score(folder, { sequences }) {
  const model = LanguageModel.fromFolder(folder, await freshRuntime());
  try {
    inspectModelFiles(folder);
  } catch (error) {
    throw new Error(`read, but refused by its check: ${error.message}`, { cause: error });
  }
  return { logps: await logpsOf(model, sequences) };
}

async function tokenise(folder, { texts, lists }) {
  const model = await TextModel.fromFolder(folder);
  const each = (values, f) => values.map((value) => orRefused(() => f(value)));
  return {
    ids: each(texts, (text) => [...model.encode(text)]),
    whole: each(texts, (text) => [...model.added.before, ...model.encode(text), ...model.added.behind]),
    decoded: each(lists, (ids) => model.decode(ids)),
    decodedPlain: each(lists, (ids) => model.decode(ids, { skipSpecial: true })),
    warning: await warningOf(folder),
  };
}

/** What `models check` says of AutoTokenizer's ids: null where they are the ids here. */
async function warningOf(folder) {
  const { readTextFiles, parseTextFiles, transformersTokens } = text;
  return transformersTokens(parseTextFiles(await readTextFiles(folder))).warning;
}

/** The prompt, and prompt and answer together: the tokenizer has a token for each byte, so that tokens decode to what was rendered. */
async function renderAll(folder, { conversations, answer }) {
  const model = await TextModel.fromFolder(folder);
  return {
    conversations: conversations.map(({ messages }) => ({
      prompt: orRefused(() => ({ text: model.renderPrompt(messages) })),
      whole: orRefused(() => ({
        text: model.decode([...model.promptTokens(messages), ...model.responseTokens(messages, answer)]),
      })),
    })),
  };
}

const KINDS = {
  models: score,
  adapters: score,
  tokenizers: tokenise,
  templates: renderAll,
  exports: async (folder, expected) => writeExports(folder, expected, await freshRuntime()),
};

function orRefused(f) {
  try {
    return f();
  } catch (error) {
    if (!isRefusal(error)) throw error;
    return { refused: error.message };
  }
}

function isRefusal(error) {
  return REFUSALS.some((kind) => error instanceof kind);
}

for await (const line of linesOf(process.stdin)) {
  const { kind, folder, expected } = JSON.parse(line);
  let reply;
  try {
    reply = { value: await KINDS[kind](folder, expected) };
  } catch (error) {
    reply = isRefusal(error)
      ? { refused: error.message }
      : { crashed: `${error?.name}: ${error?.message}`, stack: error?.stack };
  }
  writeSync(1, `${JSON.stringify(reply)}\n`);
}
await runtime?.close();
process.exit(0);
