// npm run served -- --model FOLDER: a policy served by vLLM as a LoRA adapter, beside this engine: see docs/sampling-servers.md
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { TaskRunner } from '@solopo/engine';
import { readSafetensors, writeSafetensors } from '@solopo/lm';
import {
  adapterAgreement,
  demandAdapter,
  demandModel,
  distance,
  SamplingServer,
  samplerSettingsSchema,
} from '@solopo/sampling-server';
import { TextModel } from '@solopo/text';
import { readPolicy, TRAINED_RANK, trainPolicy } from './policy.mjs';
import { freePort, Vllm, vllmHome } from './vllm.mjs';

const NAME = 'base';
const NEW_TOKENS = 16;
const QUESTIONS = [
  'What is the capital of France?',
  'Who wrote Faust?',
  'Why is the sky blue? Answer in one sentence.',
  'Name three rivers of Africa and say where each of them ends.',
];

const { values } = parseArgs({
  options: {
    model: { type: 'string' },
    policy: { type: 'string' },
    dtype: { type: 'string', default: 'bfloat16' },
    context: { type: 'string', default: '1024' },
    threads: { type: 'string', default: '1' },
    json: { type: 'string' },
    verbose: { type: 'boolean', default: false },
  },
});

async function served() {
  if (values.model === undefined) {
    console.error('served: name a model folder with --model; docs/sampling-servers.md has an example');
    return 2;
  }
  const home = vllmHome();
  if (home === undefined) {
    console.error(
      'served: there is no vLLM; name its environment in SOLOPO_VLLM, or run tools/peers/vllm/setup (7 GB)',
    );
    return 3;
  }
  const scratch = mkdtempSync(join(tmpdir(), 'solopo-served-'));
  const runner = new TaskRunner({ threads: Number(values.threads) });
  let vllm;
  let server;
  try {
    const folder = resolve(values.model);
    const text = await TextModel.fromFolder(folder);
    const exported = values.policy ? readPolicy(values.policy) : undefined;
    vllm = Vllm.spawn(home, {
      ...{ model: folder, name: NAME, rank: exported?.options.rank ?? TRAINED_RANK, port: await freePort() },
      ...{
        contextLength: Number(values.context),
        threads: Number(values.threads),
        dtype: values.dtype,
        log: values.verbose ? console.error : undefined,
      },
    });
    // While the server starts, which takes minutes.
    const policy = exported ?? (await trainPolicy(runner, { folder, text, scratch }));
    if (policy.losses)
      console.log(`an adapter is trained: loss ${policy.losses.map((loss) => loss.toFixed(2)).join(', ')}`);
    await vllm.ready();
    const adapters = join(scratch, 'adapters');
    mkdirSync(adapters);
    server = new SamplingServer(
      samplerSettingsSchema.parse({ url: vllm.url, answerSeconds: 1800, adapters: { folder: adapters } }),
    );
    const report = await compare({ runner, server, text, folder, policy, scratch });
    if (values.json) writeFileSync(values.json, `${JSON.stringify(report, null, 2)}\n`);
    print(report);
    return report.refusals.every(({ refused }) => refused !== null) && report.agreed ? 0 : 1;
  } finally {
    server?.close();
    await vllm?.close();
    await runner.runtime.close();
    rmSync(scratch, { recursive: true, force: true });
  }
}

async function compare({ runner, server, text, folder, policy, scratch }) {
  const prompts = QUESTIONS.map((content) => text.promptTokens([{ role: 'user', content }]));
  const info = await server.describe(undefined);
  const adapter = (changes = {}) => ({
    model: folder,
    policy: policy.digest,
    weights: policy.weights,
    options: policy.options,
    ...changes,
  });
  const name = await server.serve(adapter(), info);
  const sources = {
    base: { folder },
    adapter: { folder, adapter: { options: policy.options, weights: policy.weights } },
  };

  // Prompts and our own greedy answers to them: tokens of a text that the model writes.
  const options = {
    samplesPerPrompt: 1,
    temperature: 0,
    topP: 1,
    maxNewTokens: NEW_TOKENS,
    eosIds: text.eosIds,
    seed: 0,
  };
  const asked = prompts.map((tokens, index) => ({ tokens, key: [index, 0] }));
  const greedy = {};
  for (const [which, served] of [
    ['base', info.model.id],
    ['adapter', name],
  ]) {
    const own = await runner.run(
      'sample',
      { model: sources[which], prompts: asked, options, batchTokens: 4096 },
      () => undefined,
    );
    const theirs = await server.sample(info, served, text, asked, options);
    greedy[which] = asked.map((_, index) => ({
      own: [...own.samples[index][0].tokens],
      served: [...theirs.samples[index][0].tokens],
      text: text.decode(own.samples[index][0].tokens, { skipSpecial: true }),
      servedText: text.decode(theirs.samples[index][0].tokens, { skipSpecial: true }),
    }));
  }
  const rows = prompts.map((tokens, index) => Int32Array.from([...tokens, ...greedy.adapter[index].own]));
  const measure = async (served, source) => {
    const trees = rows.map((tokens) => ({ prompt: tokens.slice(0, 1), branches: [tokens.slice(1)] }));
    const { logps } = await runner.run('score', { model: source, trees, batchTokens: 4096 }, () => undefined);
    const theirs = [];
    for (const tokens of rows) theirs.push(...(await server.logps(served, tokens)));
    return { own: logps.flatMap(([row]) => [...row]), served: theirs };
  };
  const base = await measure(info.model.id, sources.base);
  const adapted = await measure(name, sources.adapter);
  const agreement = adapterAgreement(base, adapted);
  const wrong = (message) => (message instanceof Error ? message.message : String(message));
  const held = (demand) => {
    try {
      demand();
      return null;
    } catch (error) {
      return wrong(error);
    }
  };
  const refusal = held(() => {
    demandModel(server.url, info.model.id, base);
    demandAdapter(server.url, name, base, adapted);
  });

  // The same adapter as other tools may write it: what vLLM makes of it without a word, and the check.
  const refusals = [];
  for (const [what, change] of Object.entries(DAMAGES)) {
    const weights = join(scratch, `${what.replaceAll(' ', '-')}.safetensors`);
    writeSafetensors(weights, change(readSafetensors(policy.weights).tensors));
    const loaded = await server.serve(adapter({ weights, policy: what }), info).catch((error) => wrong(error));
    const isLoaded = /^solopo-[0-9a-f]+$/.test(loaded);
    const measured = isLoaded
      ? { own: adapted.own, served: (await measure(loaded, sources.adapter)).served }
      : undefined;
    refusals.push({
      what,
      loaded: isLoaded,
      share: measured ? adapterAgreement(base, measured).share : null,
      refused: measured ? held(() => demandAdapter(server.url, loaded, base, measured)) : loaded,
    });
  }
  return {
    software: info.software,
    dtype: values.dtype,
    model: folder,
    adapter: name,
    tokens: base.own.length,
    baseDistance: distance(base),
    adapterDistance: distance(adapted),
    largest: Math.max(
      ...base.own.map((logp, i) => Math.abs(logp - base.served[i])),
      ...adapted.own.map((logp, i) => Math.abs(logp - adapted.served[i])),
    ),
    ...agreement,
    agreed: refusal === null,
    refusal,
    logps: rows.flatMap((tokens, row) => {
      const before = rows.slice(0, row).reduce((sum, { length }) => sum + length - 1, 0);
      return [...tokens.subarray(1)].map((token, i) => ({
        token: text.decode([token]),
        base: { own: base.own[before + i], served: base.served[before + i] },
        adapter: { own: adapted.own[before + i], served: adapted.served[before + i] },
      }));
    }),
    greedy,
    refusals,
  };
}

const renamed = (tensors, rename) => new Map([...tensors].map(([name, tensor]) => [rename(name), tensor]));

const DAMAGES = {
  'modules by other names': (tensors) =>
    renamed(tensors, (name) => name.replace('.model.layers.', '.transformer.layers.')),
  'attention alone': (tensors) => new Map([...tensors].filter(([name]) => name.includes('self_attn'))),
  'twice the scale': (tensors) =>
    new Map(
      [...tensors].map(([name, { dims, data }]) => [
        name,
        { dims, data: name.includes('lora_B') ? data.map((x) => 2 * x) : data },
      ]),
    ),
};

function print(report) {
  const { software, dtype, tokens, change, share, uncertainty } = report;
  console.log(`\n${software}, ${dtype}; ${tokens} tokens; log-probabilities in nats\n`);
  console.log('token                base: ours     vLLM   adapter: ours     vLLM');
  const cell = (number, width) => number.toFixed(3).padStart(width);
  for (const { token, base, adapter } of report.logps.slice(-NEW_TOKENS))
    console.log(
      `${JSON.stringify(token).padEnd(20)} ${cell(base.own, 10)} ${cell(base.served, 8)} ${cell(adapter.own, 15)} ${cell(adapter.served, 8)}`,
    );
  console.log(
    `\nroot mean square of the difference: base ${report.baseDistance.toFixed(4)}, adapter ${report.adapterDistance.toFixed(4)}; largest ${report.largest.toFixed(3)}`,
  );
  console.log(
    `the adapter's change: ${change.toFixed(3)}; served ${share.toFixed(3)} of it (± ${uncertainty.toFixed(3)})`,
  );
  console.log(report.agreed ? 'the server has the adapter' : `REFUSED: ${report.refusal}`);
  for (const which of ['base', 'adapter']) {
    console.log(`\ngreedy, ${which}:`);
    for (const [index, { own, served, text, servedText }] of report.greedy[which].entries()) {
      const equal = own.findIndex((token, i) => token !== served[i]);
      const same =
        equal < 0 && own.length === served.length
          ? 'equal'
          : `equal for ${equal < 0 ? Math.min(own.length, served.length) : equal} of ${own.length} tokens`;
      console.log(
        `  ${QUESTIONS[index]}\n    ours ${JSON.stringify(text)}\n    vLLM ${JSON.stringify(servedText)} (${same})`,
      );
    }
  }
  console.log('\nthe same adapter, damaged:');
  for (const { what, loaded, share: kept, refused } of report.refusals)
    console.log(
      `  ${what}: ${loaded ? `loaded without a word, ${kept.toFixed(2)} of the change` : 'not loaded'}; ${refused === null ? 'TAKEN' : `refused: ${refused}`}`,
    );
}

try {
  process.exitCode = await served();
} catch (error) {
  console.error(`served: ${error instanceof Error ? error.message : String(error)}`);
  process.exitCode = 1;
}
