import {
  checkWeights,
  fromPeftNames,
  inBatches,
  initialiseLora,
  inspectResponse,
  LanguageModel,
  measureTrees,
  PreferenceTrainer,
  readModelConfig,
  readSafetensors,
  sample,
  scoreTrees,
  toPeftNames,
  treeLength,
  writeSafetensors,
  type RuntimeOptions,
  type TrainingPair,
} from '@solopo/lm';
import { MeasuredRuntime } from './measured-runtime.ts';
import type { ModelSource, Progress, TaskName, Tasks } from './tasks.ts';

type Report = (progress: Progress) => void;

export interface TaskRunnerOptions extends Omit<RuntimeOptions, 'onRun'> {
  readonly onAlive?: () => void;
}

/** Executes tasks one after another and keeps the last model between them. Plain code: no process, no Nest. */
export class TaskRunner {
  readonly runtime: MeasuredRuntime;
  #base: { readonly folder: string; readonly model: LanguageModel } | undefined;
  #model: { readonly key: string; readonly source: ModelSource; readonly model: LanguageModel } | undefined;

  constructor({ onAlive, ...options }: TaskRunnerOptions) {
    this.runtime = new MeasuredRuntime({ ...options, ...(onAlive ? { onRun: onAlive } : {}) });
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
    { model: source, prompts, options, batchTokens, sliceMs }: Tasks['sample']['input'],
    report: Report,
  ): Promise<Tasks['sample']['output']> {
    const model = await this.#load(source);
    const samples: Tasks['sample']['output'] = [];
    // A prompt's answers are counted as if each carried it: their attention reads it every time.
    await inBatches(
      prompts,
      ({ tokens }) => tokens.length + options.samplesPerPrompt * options.maxNewTokens,
      batchTokens,
      async (group) => {
        samples.push(...(await sample(model, group, options)));
        report({ kind: 'done', count: samples.length });
      },
      after(sliceMs),
    );
    return samples;
  }

  async #score(
    { model: source, trees, batchTokens, sliceMs }: Tasks['score']['input'],
    report: Report,
  ): Promise<Tasks['score']['output']> {
    const logps = await scoreTrees(await this.#load(source), trees, {
      batchTokens,
      onBatch: (count) => report({ kind: 'done', count }),
      enough: after(sliceMs),
    });
    return { logps, tokens: trees.slice(0, logps.length).reduce((sum, tree) => sum + treeLength(tree), 0) };
  }

  async #measure(
    { model: source, trees, batchTokens, scorePrompt }: Tasks['measure']['input'],
    report: Report,
  ): Promise<Tasks['measure']['output']> {
    return measureTrees(await this.#load(source), trees, {
      batchTokens,
      scorePrompt,
      onBatch: (count) => report({ kind: 'done', count }),
    });
  }

  async #inspect(
    { model: source, rows }: Tasks['inspect']['input'],
    report: Report,
  ): Promise<Tasks['inspect']['output']> {
    const model = await this.#load(source);
    const responses: Tasks['inspect']['output'] = [];
    for (const row of rows) {
      responses.push(await inspectResponse(model, row));
      report({ kind: 'done', count: responses.length });
    }
    return responses;
  }

  async #trainSlice(input: Tasks['trainSlice']['input'], report: Report): Promise<Tasks['trainSlice']['output']> {
    const { pairs, batches, out, model: source } = input;
    const model = await this.#open(source);
    const trainer = this.#restore(model, input);
    try {
      const steps: Tasks['trainSlice']['output']['steps'][number][] = [];
      for (const batch of batches) {
        const started = performance.now();
        const result = await trainer.takeStep(batch.map((index) => pairs[index] as TrainingPair));
        const seconds = (performance.now() - started) / 1000;
        steps.push({ ...result, seconds });
        report({ kind: 'step', result, seconds });
      }
      const trained = await model.trained.read();
      writeSafetensors(out.weights, source.adapter ? toPeftNames(trained) : trained);
      writeSafetensors(out.optimizerState, await trainer.optimizerTensors(), { step: String(trainer.step) });
      return { steps };
    } finally {
      await trainer.free();
      await this.#close(model, source);
    }
  }

  #restore(
    model: LanguageModel,
    { optimizerState, fromStep, options }: Tasks['trainSlice']['input'],
  ): PreferenceTrainer {
    if (!optimizerState) return new PreferenceTrainer(model, options);
    return new PreferenceTrainer(model, options, { step: fromStep, tensors: readSafetensors(optimizerState).tensors });
  }

  async #load(source: ModelSource): Promise<LanguageModel> {
    const key = JSON.stringify(source);
    if (this.#model?.key === key) return this.#model.model;
    if (this.#model) await this.#close(this.#model.model, this.#model.source);
    this.#model = undefined;
    const model = await this.#open(source);
    this.#model = { key, source, model };
    return model;
  }

  async #open({ folder, weights, adapter }: ModelSource): Promise<LanguageModel> {
    if (weights) {
      const config = readModelConfig(folder);
      return new LanguageModel(config, checkWeights(config, readSafetensors(weights).tensors), this.runtime);
    }
    if (!adapter) return LanguageModel.fromFolder(folder, this.runtime);
    // The frozen weights under one adapter after another are read once.
    if (this.#base?.folder !== folder) {
      await this.#base?.model.free();
      this.#base = { folder, model: LanguageModel.fromFolder(folder, this.runtime) };
    }
    const { model: base } = this.#base;
    const { options, seed = 0 } = adapter;
    const tensors = adapter.weights
      ? fromPeftNames(base.config, options, readSafetensors(adapter.weights).tensors)
      : initialiseLora(base.config, options, seed);
    return base.withAdapter({ options, weights: tensors });
  }

  /** What lies on the device is given back, but for frozen weights that the next adapter may want. */
  async #close(model: LanguageModel, { adapter }: ModelSource): Promise<void> {
    await model.free({ weights: adapter === undefined });
  }
}

/** True once so many milliseconds have gone by from now. */
function after(ms = Infinity): () => boolean {
  const started = performance.now();
  return () => performance.now() - started >= ms;
}
