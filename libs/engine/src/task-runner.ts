import {
  fromPeftNames,
  initialiseLora,
  inspectResponse,
  LanguageModel,
  LORA_TARGETS,
  loraParameters,
  measureTrees,
  modelOf,
  Pace,
  PhaseClock,
  PreferenceTrainer,
  readModelConfig,
  readSafetensors,
  sample,
  scoreTrees,
  sumsIntegersExactly,
  toPeftNames,
  treeLength,
  writeSafetensors,
  type PhaseSeconds,
  type RuntimeOptions,
  type SamplingWeights,
  type TrainingPair,
} from '@solopo/lm';
import { teacherRead } from '@solopo/objectives';
import { MeasuredRuntime } from './measured-runtime.ts';
import type { ModelSource, Progress, TakenStep, TaskName, Tasks } from './tasks.ts';

type Report = (progress: Progress) => void;

/** Executes tasks one after another and keeps the last model between them. Plain code: no process, no Nest. */
export class TaskRunner {
  readonly runtime: MeasuredRuntime;
  #base: { readonly key: string; readonly model: LanguageModel } | undefined;
  #model: { readonly key: string; readonly source: ModelSource; readonly model: LanguageModel } | undefined;

  constructor(options: Omit<RuntimeOptions, 'onRun'>) {
    this.runtime = new MeasuredRuntime(options);
  }

  async run<K extends TaskName>(task: K, input: Tasks[K]['input'], report: Report): Promise<Tasks[K]['output']> {
    const handlers: {
      readonly [T in TaskName]: (input: Tasks[T]['input'], report: Report) => Promise<Tasks[T]['output']>;
    } = {
      fingerprint: ({ frozenWeights = 'float32' }) => Promise.resolve(this.runtime.fingerprintOf(frozenWeights)),
      sample: (given, tell) => this.#sample(given, tell),
      score: (given, tell) => this.#score(given, tell),
      measure: (given, tell) => this.#measure(given, tell),
      inspect: (given, tell) => this.#inspect(given, tell),
      trainSlice: (given, tell) => this.#trainSlice(given, tell),
    };
    return handlers[task](input, report);
  }

  async #sample(
    { model: source, prompts, options, batchTokens, cacheBytes, sliceMs }: Tasks['sample']['input'],
    report: Report,
  ): Promise<Tasks['sample']['output']> {
    const samplingWeights = await this.#samplingWeights(source);
    const model = await this.#load({ ...source, samplingWeights }, report);
    const samples = await sample(model, prompts, options, {
      batchTokens,
      cacheBytes,
      sliceMs,
      onAnswered: (count) => report({ kind: 'done', count }),
    });
    const engine = this.runtime.samplingFingerprint(samplingWeights);
    return { samples, engine, exactWeights: model.exactWeights.length };
  }

  /** Rounded weights are for the processor, and for one that sums integers exactly. */
  async #samplingWeights({ samplingWeights = 'float32' }: ModelSource): Promise<SamplingWeights> {
    if (samplingWeights === 'float32' || this.runtime.device !== 'cpu') return 'float32';
    return samplingWeights === 'int8' && !(await sumsIntegersExactly(this.runtime)) ? 'float32' : samplingWeights;
  }

  async #score(
    { model: source, trees, sliceMs, from = 0, ...options }: Tasks['score']['input'],
    report: Report,
  ): Promise<Tasks['score']['output']> {
    const logps = await scoreTrees(await this.#load(source, report), trees, {
      ...options,
      from,
      pace: new Pace(sliceMs),
      onBatch: (count) => report({ kind: 'done', count }),
    });
    return { logps, tokens: trees.slice(from, from + logps.length).reduce((sum, tree) => sum + treeLength(tree), 0) };
  }

  async #measure(
    { model: source, trees, sliceMs, ...options }: Tasks['measure']['input'],
    report: Report,
  ): Promise<Tasks['measure']['output']> {
    return measureTrees(await this.#load(source, report), trees, {
      ...options,
      pace: new Pace(sliceMs),
      onBatch: (count) => report({ kind: 'done', count }),
    });
  }

  async #inspect(
    { model: source, rows }: Tasks['inspect']['input'],
    report: Report,
  ): Promise<Tasks['inspect']['output']> {
    const model = await this.#load(source, report);
    const responses: Tasks['inspect']['output'] = [];
    for (const row of rows) {
      responses.push(await inspectResponse(model, row));
      report({ kind: 'done', count: responses.length });
    }
    return responses;
  }

  async #trainSlice(input: Tasks['trainSlice']['input'], report: Report): Promise<Tasks['trainSlice']['output']> {
    const { pairs, batches, out, model: source } = input;
    const clock = new PhaseClock<'load' | 'steps' | 'checkpoint'>();
    report({ kind: 'loading' });
    const model = await this.#open(source, { frozen: false });
    const teacher = this.#teacher(model, input);
    const trainer = this.#restore(model, teacher, input);
    clock.lap('load');
    report({ kind: 'done', count: 0 });
    try {
      const steps: TakenStep[] = [];
      for (const batch of batches) {
        const started = performance.now();
        const result = await trainer.takeStep(batch.map((index) => pairs[index] as TrainingPair));
        const seconds = (performance.now() - started) / 1000;
        const step = withPhase({ ...result, seconds }, steps.length === 0 ? clock.seconds : {});
        steps.push(step);
        report({ kind: 'step', step });
      }
      clock.lap('steps');
      const trained = await model.trained.read();
      writeSafetensors(out.weights, source.adapter ? toPeftNames(trained) : trained, trainedOver(source));
      writeSafetensors(out.optimizerState, await trainer.optimizerTensors(), { step: String(trainer.step) });
      clock.lap('checkpoint');
      const { checkpoint = 0 } = clock.seconds;
      return { steps: steps.map((step, i) => (i === steps.length - 1 ? withPhase(step, { checkpoint }) : step)) };
    } finally {
      await trainer.free();
      await this.#close(model, source);
      await teacher?.free({ weights: source.adapter === undefined });
    }
  }

  /** The model as it was registered, where the objective learns from it: what is under the adapter, or the folder's own weights again. */
  #teacher(model: LanguageModel, { model: { folder, adapter }, options }: Tasks['trainSlice']['input']) {
    if (teacherRead(options) === null) return null;
    return adapter ? model.withoutAdapter() : LanguageModel.fromFolder(folder, this.runtime, { frozen: true });
  }

  #restore(
    model: LanguageModel,
    teacher: LanguageModel | null,
    { optimizerState, fromStep, options }: Tasks['trainSlice']['input'],
  ): PreferenceTrainer {
    const state = optimizerState && { step: fromStep, tensors: readSafetensors(optimizerState).tensors };
    return new PreferenceTrainer(model, options, state || undefined, teacher);
  }

  /** Tells when the model is being loaded, and when the work on it begins. */
  async #load(source: ModelSource, report: Report): Promise<LanguageModel> {
    const key = JSON.stringify(source);
    if (this.#model?.key !== key) report({ kind: 'loading' });
    const model = this.#model?.key === key ? this.#model.model : await this.#replace(key, source);
    report({ kind: 'done', count: 0 });
    return model;
  }

  async #replace(key: string, source: ModelSource): Promise<LanguageModel> {
    if (this.#model) await this.#close(this.#model.model, this.#model.source);
    this.#model = undefined;
    const model = await this.#open(source, { frozen: true });
    this.#model = { key, source, model };
    return model;
  }

  async #open(
    { folder, weights, adapter, frozenWeights = 'float32', samplingWeights = 'float32' }: ModelSource,
    { frozen }: { readonly frozen: boolean },
  ): Promise<LanguageModel> {
    const format = { frozenWeights, samplingWeights, frozen };
    if (weights) {
      const { config, weights: tensors } = modelOf(readModelConfig(folder), readSafetensors(weights).tensors);
      return new LanguageModel(config, tensors, this.runtime, null, format);
    }
    if (!adapter) return LanguageModel.fromFolder(folder, this.runtime, format);
    // The frozen weights under one adapter after another are read once.
    const key = `${frozenWeights} ${samplingWeights} ${folder}`;
    if (this.#base?.key !== key) {
      await this.#base?.model.free();
      this.#base = undefined;
      this.#base = { key, model: LanguageModel.fromFolder(folder, this.runtime, format) };
    }
    const { model: base } = this.#base;
    const { seed = 0 } = adapter;
    const { targets } = adapter.options;
    const options = { ...adapter.options, targets: targets === 'all-linear' ? LORA_TARGETS : targets };
    const tensors = adapter.weights
      ? fromPeftNames(loraParameters(base.config, options), readSafetensors(adapter.weights).tensors)
      : initialiseLora(base.config, options, seed);
    return base.withAdapter({ options, weights: tensors });
  }

  /** What lies on the device is given back, but for frozen weights that the next adapter may want. */
  async #close(model: LanguageModel, { adapter }: ModelSource): Promise<void> {
    await model.free({ weights: adapter === undefined });
  }
}

/** Absent for float32, so that the files of such runs are what they were. */
function trainedOver({ frozenWeights = 'float32' }: ModelSource): Readonly<Record<string, string>> {
  return frozenWeights === 'float32' ? {} : { frozen_weights: frozenWeights };
}

function withPhase(step: TakenStep, seconds: PhaseSeconds): TakenStep {
  return { ...step, phaseSeconds: { ...seconds, ...step.phaseSeconds } };
}
