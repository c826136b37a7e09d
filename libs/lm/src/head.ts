import type { Activations, Teacher } from './activations.ts';
import { collectGradients, sumsSoFar, type Gradients } from './gradients.ts';
import { addToRows, headBackward, headDraw, headPredict, headScore } from './head.graph.ts';
import { LogitsNotFiniteError } from './model.error.ts';
import type { ModelWeights } from './model-weights.ts';
import type { Feeds } from './runtime.ts';
import type { Scope } from './scope.ts';
import { lookupFeeds } from './table-pieces.ts';
import { addRow, float32, hostFloats, hostIntegers, int64, zerosLike, type Tensor } from './tensor.ts';
import { TokenDistribution, type DrawOptions } from './token-distribution.ts';
import { NO_TREE, outputIndex, type Target, type TreeBatch } from './tree-batch.ts';

/*
 * Where a pass ends: from the last block's output to the vocabulary, and back. Only rows that are asked for reach it, in chunks. Legend
 * of shapes: d hidden size.
 */

/** The head is run on so many rows at a time that their logits stay below this many numbers. */
const MAX_LOGITS = 1 << 25;

/** Scores and predictions of one model, and the head's backward pass. */
export class Head {
  constructor(private readonly weights: ModelWeights) {}

  /** Under an adapter nothing of the head is trained. */
  get #frozen(): boolean {
    return this.weights.shape.lora !== null;
  }

  /**
   * Of each target; entropies and mean logits only with `statistics`, otherwise empty; divergences where there is a teacher.
   * @throws LogitsNotFiniteError as do `predict` (of the most likely token) and `distributions`
   */
  async score(activations: Activations, statistics: boolean): Promise<TargetStatistics> {
    const { batch, output, scope, headGradients, teacher } = activations;
    const { targets } = batch;
    const { config, key } = this.weights;
    // One pass over the vocabulary gives what the backward pass will ask of a frozen head, too.
    const gradients = this.#frozen && activations.layers.length > 0 && headGradients.length === 0;
    const column = (): Float32Array => new Float32Array(statistics ? targets.length : 0);
    const result = {
      logps: new Float32Array(targets.length),
      hits: new Uint8Array(targets.length),
      entropies: column(),
      meanLogits: column(),
      kls: new Float32Array(teacher ? targets.length : 0),
    };
    const fetched = [
      'logps',
      'argmax',
      ...(statistics ? ['entropies', 'mean_logits'] : []),
      ...(teacher ? ['kls'] : []),
    ];
    const wanted = { statistics, gradients, teacher: teacher !== null };
    const { pieces, feeds, weights } = await this.weights.head();
    for (const [from, to] of this.#chunks(targets.length)) {
      const chunk = targets.slice(from, to);
      if (chunk.every(({ tree }) => tree === NO_TREE)) continue;
      const ids = Int32Array.from(chunk, ({ token }) => token);
      const outputs = await scope.run(
        key(`head-score ${JSON.stringify(wanted)} ${pieces.join()}`),
        () => headScore(config, wanted, pieces),
        {
          ...feeds,
          ...rowFeeds(output, placesOf(batch, chunk)),
          ...(gradients ? lookupFeeds(ids, [ids.length], pieces) : {}),
          ...(await teacherFeeds(teacher, from, to)),
          targets: int64(ids, [ids.length, 1]),
        },
        fetched,
        weights,
      );
      if (gradients) headGradients.push(outputs.d_scores as Tensor);
      const logps = hostFloats(outputs.logps as Tensor);
      await this.#demandFinite(logps);
      result.logps.set(logps, from);
      const argmax = hostIntegers(outputs.argmax as Tensor);
      if (teacher) {
        const kls = hostFloats(outputs.kls as Tensor);
        await this.#demandFinite(kls);
        result.kls.set(kls, from);
      }
      ids.forEach((token, i) => (result.hits[from + i] = Number(argmax[i]) === token ? 1 : 0));
      if (!statistics) continue;
      result.entropies.set(hostFloats(outputs.entropies as Tensor), from);
      result.meanLogits.set(hostFloats(outputs.mean_logits as Tensor), from);
    }
    return result;
  }

  /** Of the hidden states at `rows`: places, row * columns + column. */
  async predict(hidden: Tensor, rows: readonly number[], output: 'logits' | 'argmax'): Promise<Tensor> {
    const { runtime, config, key, shape } = this.weights;
    const { pieces, feeds, weights } = await this.weights.head();
    const fused = runtime.device === 'cpu';
    const outputs = await runtime.run(
      key(`head-${output} ${pieces.join()}`),
      () => headPredict(config, output, pieces, { ...shape, fused }),
      { ...feeds, ...rowFeeds(hidden, rows) },
      output === 'argmax' ? [output, 'sums'] : [output],
      weights,
    );
    if (output === 'argmax') await this.#demandFinite(hostFloats(outputs.sums as Tensor));
    return outputs[output] as Tensor;
  }

  async distributions(
    hidden: Tensor,
    rows: readonly number[],
    options: DrawOptions,
  ): Promise<readonly TokenDistribution[]> {
    const { runtime, config, key, shape } = this.weights;
    const size = config.vocabSize;
    const fused = runtime.device === 'cpu';
    const distributions: TokenDistribution[] = [];
    const { pieces, feeds, weights } = await this.weights.head();
    for (const [from, to] of this.#chunks(rows.length)) {
      const outputs = await runtime.run(
        key(`head-draw ${pieces.join()}`),
        () => headDraw(config, pieces, { ...shape, fused }),
        {
          ...feeds,
          ...rowFeeds(hidden, rows.slice(from, to)),
          temperature: float32(Float32Array.of(options.temperature), [1]),
        },
        ['weights', 'greatest', 'likeliest'],
        weights,
      );
      const drawn = hostFloats(outputs.weights as Tensor);
      const likeliest = hostFloats(outputs.likeliest as Tensor);
      await this.#demandFinite(likeliest);
      hostFloats(outputs.greatest as Tensor).forEach((greatest, i) => {
        const of = { greatest, likeliest: likeliest[i] as number };
        distributions.push(new TokenDistribution(drawn.subarray(i * size, (i + 1) * size), of, options));
      });
    }
    return distributions;
  }

  /**
   * The gradient of the last block's output [rows, length - readFrom, d], from that of each target's log p, or of its KL where there is a
   * teacher; adds those of the head where it is trained.
   */
  async backward(scope: Scope, activations: Activations, dScores: Float32Array, gradients: Gradients): Promise<Tensor> {
    return this.#frozen
      ? this.#frozenBackward(scope, activations, dScores)
      : this.#trainedBackward(scope, activations, dScores, gradients);
  }

  async #frozenBackward(scope: Scope, activations: Activations, dScores: Float32Array): Promise<Tensor> {
    const { batch, output, headGradients } = activations;
    const { runtime, config, key } = this.weights;
    if (headGradients.length === 0) await this.score(activations, false);
    let dHidden = await scope.upload(zerosLike(output));
    for (const [i, [from, to]] of this.#chunks(batch.targets.length).entries()) {
      const rows = headGradients[i] as Tensor;
      const places = placesOf(batch, batch.targets.slice(from, to));
      const factors = dScores.slice(from, to);
      if (!runtime.keepsOnDevice) {
        addRows(dHidden, rows, places, factors);
        continue;
      }
      const { sum_out } = await scope.run(key('add-to-rows'), () => addToRows(config), {
        sum: dHidden,
        rows: int64(places, [places.length]),
        updates: rows,
        factors: float32(factors, [places.length, 1]),
      });
      scope.free(dHidden);
      dHidden = sum_out as Tensor;
    }
    return dHidden;
  }

  async #trainedBackward(
    scope: Scope,
    { batch, output, teacher }: Activations,
    dScores: Float32Array,
    gradients: Gradients,
  ): Promise<Tensor> {
    const { runtime, config, key } = this.weights;
    const active = batch.targets
      .map((target, i) => ({ ...target, dScore: dScores[i] as number }))
      // The teacher's rows are those of all targets.
      .filter(({ dScore }) => dScore !== 0 || teacher !== null);
    const { pieces, names, feeds, weights } = await this.weights.head();
    let dHidden = runtime.keepsOnDevice ? null : zerosLike(output);
    for (const [from, to] of this.#chunks(active.length)) {
      const chunk = active.slice(from, to);
      // On the processor rows are added in order, one thread: its own operator adds repeated rows in any order.
      const scatter = !runtime.keepsOnDevice ? 'rows' : dHidden ? 'add' : 'first';
      const { add, sums } = sumsSoFar(gradients, names);
      const places = placesOf(batch, chunk);
      const column = [chunk.length, 1];
      const outputs = await scope.run(
        key(`head-backward ${scatter} ${add} ${pieces.join()}${teacher ? ' from teacher' : ''}`),
        () => headBackward(config, { add, scatter, teacher: teacher !== null }, pieces),
        {
          ...feeds,
          ...rowFeeds(output, places),
          ...sums,
          ...(dHidden ? { d_hidden_sum: dHidden } : {}),
          ...(await teacherFeeds(teacher, from, to)),
          targets: int64(
            Int32Array.from(chunk, ({ token }) => token),
            column,
          ),
          dscores: float32(
            Float32Array.from(chunk, ({ dScore }) => dScore),
            column,
          ),
        },
        [],
        weights,
      );
      if (scatter === 'rows') addRows(dHidden as Tensor, outputs.dh as Tensor, places, null);
      else {
        if (dHidden) scope.free(dHidden);
        dHidden = outputs.d_hidden as Tensor;
      }
      collectGradients(scope, gradients, names, outputs);
    }
    return dHidden as Tensor;
  }

  /** Any logit of a row shows in these numbers of it. */
  async #demandFinite(numbers: Float32Array): Promise<void> {
    if (numbers.every(Number.isFinite)) return;
    const { base, adapter } = this.weights;
    throw new LogitsNotFiniteError((await base.findNotFinite()) ?? (await adapter.findNotFinite()));
  }

  #chunks(rows: number): [number, number][] {
    const size = Math.max(1, Math.floor(MAX_LOGITS / this.weights.config.vocabSize));
    return Array.from({ length: Math.ceil(rows / size) }, (_, i) => [i * size, Math.min(rows, (i + 1) * size)]);
  }
}

/** What each target of a batch gave. */
export interface TargetStatistics {
  readonly logps: Float32Array;
  /** 1 where the target was the most likely token. */
  readonly hits: Uint8Array;
  /** Entropy of the predicted distribution, in nats. */
  readonly entropies: Float32Array;
  /** Mean over the vocabulary. */
  readonly meanLogits: Float32Array;
  /** KL of the predicted distribution from the teacher's, in nats; empty where there is none. */
  readonly kls: Float32Array;
}

async function teacherFeeds(teacher: Teacher | null, from: number, to: number): Promise<Feeds> {
  return teacher ? { teacher_logits: await teacher.logits(from, to) } : {};
}

/** `rows`: places in `hidden`, row * columns + column. */
function rowFeeds(hidden: Tensor, rows: readonly number[]): Readonly<Record<'hidden' | 'rows', Tensor>> {
  return { hidden, rows: int64(rows, [rows.length]) };
}

/** Where the hidden states of targets stand in the last block's output. */
export function placesOf(batch: TreeBatch, targets: readonly Pick<Target, 'index'>[]): number[] {
  return targets.map(({ index }) => outputIndex(batch, index));
}

/** out[places[i]] += factors[i] rows[i], in order; in this process's memory. */
function addRows(out: Tensor, rows: Tensor, places: readonly number[], factors: Float32Array | null): void {
  const [sum, shares, d] = [hostFloats(out), hostFloats(rows), out.dims.at(-1) as number];
  places.forEach((place, i) => addRow(sum, place, factors ? (factors[i] as number) : 1, shares, i, d));
}
