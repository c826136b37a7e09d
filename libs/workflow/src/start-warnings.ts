import {
  ALL_LINEAR,
  LINEAR_LAYERS,
  SolopoError,
  type AdapterConfig,
  type Pool,
  type RunConfig,
  type RunWarning,
} from '@solopo/contracts';
import type { LedgerTransaction, ResolvedInputs } from '@solopo/ledger';
import { fitRanks } from './fit-ranks.ts';

/**
 * What a run's configuration and inputs give reason to look at before anything is done.
 *
 * @throws SolopoError `config-invalid` where the configuration asks to refuse it, its engine does not have the model, or ranks cannot share it
 */
export async function startWarnings(
  tx: LedgerTransaction,
  config: RunConfig,
  inputs: ResolvedInputs,
  pools: readonly Pool[],
): Promise<RunWarning[]> {
  return [
    ...(await ofTheModel(tx, config, inputs)),
    ...(await questionsInBoth(tx, config, inputs)),
    ...(await contextsTooLong(tx, config, inputs)),
    ...(await fewPairs(tx, config, inputs)),
    ...exactAnswers(config),
    ...fitRanks(config, await tx.models.require(inputs.model), pools),
  ];
}

async function ofTheModel(
  tx: LedgerTransaction,
  { engine, adapter }: RunConfig,
  { model }: ResolvedInputs,
): Promise<RunWarning[]> {
  const { name, warnings, engines, config } = await tx.models.require(model);
  if (!engines.includes(engine))
    throw new SolopoError(
      'config-invalid',
      `engine is ${engine}, and the model ${name} can be computed by ${engines.join(', ')} alone; set engine to ${engines[0] ?? 'another'}, or take another model.`,
    );
  // Of models that were registered before their layers were recorded the engine tells.
  const known = engines.includes('onnx') ? LINEAR_LAYERS : config['linearLayers'];
  if (adapter !== null && Array.isArray(known)) demandLayers(adapter, name, known);
  return warnings.length === 0 ? [] : [{ kind: 'model', count: warnings.length, message: warnings.join(' ') }];
}

function demandLayers({ targets }: AdapterConfig, model: string, known: readonly unknown[]): void {
  const strange = targets === ALL_LINEAR ? [] : targets.filter((target) => !known.includes(target));
  if (strange.length === 0) return;
  throw new SolopoError(
    'config-invalid',
    `adapter.targets names ${strange.join(', ')}, and the model ${model} has no such linear layer; name some of ${known.join(', ')}, or set adapter.targets to ${ALL_LINEAR}.`,
  );
}

/** Rounded weights for answers are onnxruntime's. */
function exactAnswers(config: RunConfig): RunWarning[] {
  const { engine, precision, sampling, evaluation, sampler } = config;
  const byServer = { sampling: sampler !== null, evaluation: sampler?.adapters === 'vllm' };
  const asked = [
    ...(sampling.weights === 'float32' ? [] : [{ part: 'sampling', weights: sampling.weights } as const]),
    ...(evaluation === null || evaluation.weights === 'float32'
      ? []
      : [{ part: 'evaluation', weights: evaluation.weights } as const]),
  ];
  const named = (parts: typeof asked) => parts.map(({ part, weights }) => `${part}.weights (${weights})`).join(' and ');
  const [served, computed] = [asked.filter(({ part }) => byServer[part]), asked.filter(({ part }) => !byServer[part])];
  const warning = (parts: typeof asked, message: string): RunWarning[] =>
    parts.length === 0 ? [] : [{ kind: 'exact-answers', count: parts.length, message }];
  return [
    ...warning(
      served,
      `the server of sampler.url answers with the weights that it has, whatever ${named(served)} say; leave them out, or sampler.`,
    ),
    ...(engine === 'torch'
      ? warning(
          computed,
          `PyTorch answers in the run's precision, ${precision}, whatever ${named(computed)} say; leave them out, or set engine to onnx.`,
        )
      : []),
  ];
}

async function questionsInBoth(
  tx: LedgerTransaction,
  { evaluation }: RunConfig,
  { dataset, evaluationDataset }: ResolvedInputs,
): Promise<RunWarning[]> {
  if (evaluation === null || evaluationDataset === null) return [];
  const { shared, asked } = await tx.datasets.sharedQuestions(evaluationDataset, dataset, evaluation.questions);
  if (shared === 0) return [];
  return [
    {
      kind: 'questions-in-both',
      count: shared,
      message:
        `${shared} of ${asked} evaluation questions are in the training data set too, so that accuracy also tells what was learned by heart; ` +
        'evaluate on questions that are not trained on.',
    },
  ];
}

/** A prompt of `maxTokens` with its answer behind it. With a number of documents the lengths show once contexts are composed. */
async function contextsTooLong(
  tx: LedgerTransaction,
  { contexts: { long, beyondPositions }, sampling: { maxNewTokens } }: RunConfig,
  { model }: ResolvedInputs,
): Promise<RunWarning[]> {
  const positions = (await tx.models.require(model)).config['maxPositions'];
  if (!('maxTokens' in long) || typeof positions !== 'number' || long.maxTokens + maxNewTokens <= positions) return [];
  const message =
    `contexts.long.maxTokens (${long.maxTokens}) with sampling.maxNewTokens (${maxNewTokens}) is more than the ${positions} positions ` +
    "that the model was made for (max_position_embeddings in its config.json); lower it, or extend the model's positions with rope_scaling.";
  if (beyondPositions === 'refuse') throw new SolopoError('config-invalid', message);
  return [{ kind: 'contexts-too-long', count: long.maxTokens + maxNewTokens - positions, message }];
}

/** An example gives one pair at most, and the first ones are held out. */
async function fewPairs(
  tx: LedgerTransaction,
  { pairing: { heldOutPairs }, training: { pairsPerStep } }: RunConfig,
  { dataset }: ResolvedInputs,
): Promise<RunWarning[]> {
  const { examples } = await tx.datasets.require(dataset);
  const left = Math.max(0, examples - heldOutPairs);
  if (left >= pairsPerStep) return [];
  const rest =
    left === 0
      ? 'none is left to train on; lower pairing.heldOutPairs'
      : `${left} at most are left to train on, fewer than training.pairsPerStep (${pairsPerStep}); lower one of the two`;
  const message = `The data set has ${examples} examples, a pair each at most, of which pairing.heldOutPairs (${heldOutPairs}) are set aside: ${rest}, or take more examples.`;
  return [{ kind: 'few-pairs', count: left, message }];
}
