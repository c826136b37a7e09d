import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  pretrainingBatch,
  promptMessages,
  renderDocument,
  RETRIEVAL_PROMPT,
  RETRIEVAL_VOCABULARY,
  retrievalExamples,
  retrievalTokenizer,
} from '@solopo/corpus';
import {
  formatModelConfig,
  initialise,
  LanguageModel,
  parameterCount,
  parseModelConfig,
  Pretrainer,
  Runtime,
  sample,
  writeSafetensors,
} from '@solopo/lm';
import { TextModel } from '@solopo/text';

export interface PretrainOptions {
  readonly out: string;
  readonly seed: number;
  readonly steps: number;
  readonly threads: number;
  readonly say: (line: string) => void;
}

export interface Pretrained {
  readonly folder: string;
  readonly parameters: number;
  readonly tokens: number;
  /** Running means by the kind of batch. */
  readonly losses: Readonly<Record<string, number>>;
}

/**
 * Makes the bundled model: an ordinary Qwen2-shaped network of 144 thousand parameters, trained on the synthetic
 * retrieval task. Writes a Hugging Face folder and the log of its making.
 */
export async function pretrain({ out, seed, steps, threads, say: tell }: PretrainOptions): Promise<Pretrained> {
  const text = TextModel.fromFiles(retrievalTokenizer());
  const runtime = new Runtime({ threads });
  const config = parseModelConfig({
    // Its tokenizer is the file's in every tool: other types make one of their own (docs/models.md).
    model_type: 'seed_oss',
    vocab_size: RETRIEVAL_VOCABULARY.length,
    hidden_size: 64,
    num_hidden_layers: 3,
    num_attention_heads: 4,
    num_key_value_heads: 2,
    head_dim: 16,
    intermediate_size: 160,
    rope_theta: 2000,
    tie_word_embeddings: true,
    max_position_embeddings: 4096,
  });
  const model = new LanguageModel(
    config,
    initialise(config, { seed, embeddingStd: 0.1, residualScale: 0.1, retrieval: true }),
    runtime,
  );
  const trainer = new Pretrainer(model, {
    optimizer: { betas: [0.9, 0.98], epsilon: 1e-8, weightDecay: 0.01 },
    schedule: {
      learningRate: 2e-3,
      schedule: 'constant-then-linear',
      warmupRatio: 50 / steps,
      finalLearningRateRatio: 0.05,
    },
    clipNorm: 1,
    microBatchTokens: 8192,
    steps,
  });

  const log: string[] = [
    `solopo pretrain --seed ${seed} --steps ${steps}; ${parameterCount(config)} parameters; ${runtime.fingerprint}`,
  ];
  const say = (line: string): void => {
    log.push(line);
    tell(line);
  };
  const started = performance.now();
  let tokens = 0;
  const losses: Record<string, number> = {};
  for (let step = 1; step <= steps; step++) {
    const batch = pretrainingBatch(seed, step, text);
    const result = await trainer.takeStep(
      batch.tokens.map((ids, i) => ({ tokens: ids, weights: batch.weights[i] as Float32Array })),
    );
    tokens += result.tokens;
    losses[batch.kind] =
      losses[batch.kind] === undefined ? result.loss : 0.9 * (losses[batch.kind] as number) + 0.1 * result.loss;
    if (step % 50 === 0 || step === steps) {
      const shown = Object.entries(losses)
        .map(([kind, loss]) => `${kind} ${loss.toFixed(3)}`)
        .join(', ');
      say(`step ${step}: loss ${shown}; ${tokens} tokens; ${((performance.now() - started) / 1000).toFixed(0)} s`);
    }
    if (step % 250 === 0 || step === steps) {
      const accuracies = await Promise.all(
        [4, 16, 32].map(
          async (documents) =>
            `${documents} documents ${(100 * (await accuracy(model, text, documents, 200))).toFixed(1)} %`,
        ),
      );
      say(`step ${step}: ${accuracies.join(', ')}`);
    }
  }

  mkdirSync(out, { recursive: true });
  const write = (file: string, content: string): void => writeFileSync(join(out, file), content);
  writeSafetensors(join(out, 'model.safetensors'), model.weights);
  const specialIds = { bos_token_id: null, eos_token_id: text.eosIds[0], pad_token_id: text.padId };
  write('config.json', `${JSON.stringify({ ...formatModelConfig(config), ...specialIds }, null, 2)}\n`);
  for (const [file, content] of Object.entries(retrievalTokenizer())) write(file, content);
  write('pretrain.log', `${log.join('\n')}\n`);
  await runtime.close();
  return { folder: out, parameters: parameterCount(config), tokens, losses };
}

/** Greedy exact-match accuracy on questions of their own seed. */
async function accuracy(model: LanguageModel, text: TextModel, documents: number, count: number): Promise<number> {
  let right = 0;
  const examples = [...retrievalExamples({ seed: 777, count, documents })];
  for (let from = 0; from < count; from += 50) {
    const group = examples.slice(from, from + 50);
    const prompts = group.map(({ documents: docs, question }) => {
      const joined = docs
        .map((document) => renderDocument(document, RETRIEVAL_PROMPT))
        .join(RETRIEVAL_PROMPT.separator);
      return { tokens: text.promptTokens(promptMessages(question, joined, RETRIEVAL_PROMPT)), key: [0, 0] as const };
    });
    const answers = await sample(model, prompts, {
      samplesPerPrompt: 1,
      temperature: 0,
      topP: 1,
      maxNewTokens: 3,
      eosIds: text.eosIds,
      seed: 0,
    });
    right += answers.filter(
      ([answer], i) => answer && text.decode(answer.tokens).trim() === group[i]?.answers[0],
    ).length;
  }
  return right / count;
}
