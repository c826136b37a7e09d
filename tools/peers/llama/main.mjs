// node main.mjs HOME OPTIONS-AS-JSON: llama.cpp through node-llama-cpp, which is in HOME. A context for each round; making it is not
// timed. Through this interface no two answers share their prompt.
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { answerRounds } from '../../bench/rounds.mjs';

const [home, options] = process.argv.slice(2);
const { folder, threads, samples, newTokens, temperature } = JSON.parse(options);
const { getLlama } = await import(pathToFileURL(join(home, 'node_modules/node-llama-cpp/dist/index.js')).href);

const own = join(home, 'venv/bin/python');
const python = existsSync(own) ? own : (process.env.SOLOPO_PYTHON ?? 'python3');
const temporary = mkdtempSync(join(tmpdir(), 'solopo-llama-'));
let model;
try {
  const file = join(temporary, 'model.gguf');
  execFileSync(python, [fileURLToPath(new URL('to_gguf.py', import.meta.url)), folder, file], {
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  const llama = await getLlama({ build: 'never', gpu: false, maxThreads: threads, logLevel: 'error' });
  model = await llama.loadModel({ modelPath: file, useMmap: false });
} finally {
  rmSync(temporary, { recursive: true });
}

await answerRounds(async ({ prompts }) => {
  const contextSize = Math.max(...prompts.map(({ length }) => length)) + newTokens + 8;
  const sequences = prompts.length * samples;
  const context = await model.createContext({ contextSize, sequences, threads, batchSize: 512 });
  const answer = async (prompt) => {
    let drawn = 0;
    for await (const token of context.getSequence().evaluate(prompt, { temperature, yieldEogToken: true })) {
      if (token === undefined || ++drawn >= newTokens) break;
    }
    if (drawn !== newTokens) throw new Error(`only ${drawn} tokens were drawn`);
  };
  return {
    work: () => Promise.all(prompts.flatMap((prompt) => Array.from({ length: samples }, () => answer(prompt)))),
    end: () => context.dispose(),
  };
});
