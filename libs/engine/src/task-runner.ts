import {
  checkWeights,
  fromPeftNames,
  groupByTokens,
  initialiseLora,
  inspectResponse,
  LanguageModel,
  measureTrees,
  PreferenceTrainer,
  readModelConfig,
  readModelFolder,
  readSafetensors,
  Runtime,
  sample,
  scoreTrees,
  toPeftNames,
  treeLength,
  writeSafetensors,
  type HostTensors,
  type ModelConfig,
  type TrainingPair,
} from '@solopo/lm';
import type { ModelSource, Progress, TaskName, Tasks } from './tasks.ts';

type Report = (progress: Progress) => void;

/** Executes tasks one after another and keeps the last model between them. Plain code: no process, no Nest. */
export class TaskRunner {
  readonly runtime: Runtime;
  #base: { readonly folder: string; readonly config: ModelConfig; readonly weights: HostTensors } | undefined;
  #model: { readonly key: string; readonly model: LanguageModel } | undefined;

  constructor({ threads, onAlive }: { threads: number; onAlive?: () => void }) {
    this.runtime = new Runtime({ threads, ...(onAlive ? { onRun: onAlive } : {}) });
  }

  async run<K extends TaskName>(task: K, input: Tasks[K]['input'], report: Report): Promise<Tasks[K]['output']> {
    const handlers: {
      readonly [T in TaskName]: (input: Tasks[T]['input'], report: Report) => Promise<Tasks[T]['output']>;
    } = {
      fingerprint: () => Promise.resolve(this.runtime.fingerprint),
      sample: (given, tell) => this.#sample(given, tell),
      score: (given, tell) => this.#score(given, tell),
      measure: (given, tell) => this.#measure(given, tell),
      inspect: (given, tell) => this.#inspect(given, tell),
      trainSlice: (given, tell) => this.#trainSlice(given, tell),
    };
    return handlers[task](input, report);
  }

  async #sample(
    { model: source, prompts, options, batchTokens }: Tasks['sample']['input'],
    report: Report,
  ): Promise<Tasks['sample']['output']> {
    const model = this.#load(source);
    const samples: Tasks['sample']['output'] = [];
    // A prompt's answers are counted as if each carried it: their attention reads it every time.
    for (const group of groupByTokens(
      prompts,
      ({ tokens }) => tokens.length + options.samplesPerPrompt * options.maxNewTokens,
      batchTokens,
    )) {
      samples.push(...(await sample(model, group, options)));
      report({ kind: 'done', count: samples.length });
    }
    return samples;
  }

  async #score(
    { model: source, trees, batchTokens }: Tasks['score']['input'],
    report: Report,
  ): Promise<Tasks['score']['output']> {
    const logps = await scoreTrees(this.#load(source), trees, {
      batchTokens,
      onBatch: (count) => report({ kind: 'done', count }),
    });
    return { logps, tokens: trees.reduce((sum, tree) => sum + treeLength(tree), 0) };
  }

  async #measure(
    { model: source, trees, batchTokens, scorePrompt }: Tasks['measure']['input'],
    report: Report,
  ): Promise<Tasks['measure']['output']> {
    return measureTrees(this.#load(source), trees, {
      batchTokens,
      scorePrompt,
      onBatch: (count) => report({ kind: 'done', count }),
    });
  }

  async #inspect(
    { model: source, rows }: Tasks['inspect']['input'],
    report: Report,
  ): Promise<Tasks['inspect']['output']> {
    const model = this.#load(source);
    const responses: Tasks['inspect']['output'] = [];
    for (const row of rows) {
      responses.push(await inspectResponse(model, row));
      report({ kind: 'done', count: responses.length });
    }
    return responses;
  }

  async #trainSlice(input: Tasks['trainSlice']['input'], report: Report): Promise<Tasks['trainSlice']['output']> {
    const { pairs, batches, out } = input;
    const trainer = this.#restore(input);
    const steps: Tasks['trainSlice']['output']['steps'][number][] = [];
    for (const batch of batches) {
      const started = performance.now();
      const result = await trainer.takeStep(batch.map((index) => pairs[index] as TrainingPair));
      steps.push({ ...result, seconds: (performance.now() - started) / 1000 });
      report({ kind: 'step', result });
    }
    const { trainable } = trainer.model;
    writeSafetensors(out.weights, input.model.adapter ? toPeftNames(trainable) : trainable);
    writeSafetensors(out.optimizerState, trainer.optimizerTensors, { step: String(trainer.step) });
    return { steps };
  }

  #restore({ model: source, optimizerState, fromStep, options }: Tasks['trainSlice']['input']): PreferenceTrainer {
    const model = this.#read(source);
    if (!optimizerState) return new PreferenceTrainer(model, options);
    return new PreferenceTrainer(model, options, { step: fromStep, tensors: readSafetensors(optimizerState).tensors });
  }

  #load(source: ModelSource): LanguageModel {
    const key = JSON.stringify(source);
    if (this.#model?.key !== key) this.#model = { key, model: this.#read(source) };
    return this.#model.model;
  }

  #read({ folder, weights, adapter }: ModelSource): LanguageModel {
    if (weights) {
      const config = readModelConfig(folder);
      return new LanguageModel(config, checkWeights(config, readSafetensors(weights).tensors), this.runtime);
    }
    if (!adapter) return LanguageModel.fromFolder(folder, this.runtime);
    // The frozen weights under one adapter after another are read once.
    if (this.#base?.folder !== folder) this.#base = { folder, ...readModelFolder(folder) };
    const { config, weights: frozen } = this.#base;
    const { options, seed = 0 } = adapter;
    const tensors = adapter.weights
      ? fromPeftNames(config, options, readSafetensors(adapter.weights).tensors)
      : initialiseLora(config, options, seed);
    return new LanguageModel(config, frozen, this.runtime, { options, weights: tensors });
  }
}
