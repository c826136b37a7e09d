import { Inject, Injectable } from '@nestjs/common';
import { SolopoError, type PairDetails, type ResponseView } from '@solopo/contracts';
import { Ledger, type ContextTokens, type Score } from '@solopo/ledger';
import type { TextModel } from '@solopo/text';
import { frozenWeightsOf } from '@solopo/lm/model-folder';
import { TextModels } from '../models/text-models.ts';
import { piecesOf, segmentsOf } from './token-text.ts';

interface Query {
  readonly run: string;
  readonly digest: string;
}

@Injectable()
export class ShowPair {
  constructor(
    @Inject(Ledger) private readonly ledger: Ledger,
    @Inject(TextModels) private readonly texts: TextModels,
  ) {}

  /** Both contexts as text with the evidence marked, and both responses token by token with the reference's log-probabilities. */
  async execute({ run: id, digest }: Query): Promise<PairDetails> {
    const { resolved, config } = await this.ledger.runs.require(id);
    const stages = await this.ledger.runs.stages(id);
    const pairing = stages.find(({ kind }) => kind === 'pair');
    if (pairing === undefined)
      throw new SolopoError('not-found', `Run ${id} has no pairs yet; ask again when its pair stage is done.`);
    const { position, shortContext, longContext, chosenTokens, rejectedTokens, ...pair } =
      await this.ledger.pairs.detail(pairing.digest, digest);
    const recorded = await this.ledger.scores.all(pairing.digest, resolved.model, [position]);
    // Of several engines' the first recorded is shown; never one of another format.
    const scores = recorded.filter(({ engine }) => frozenWeightsOf(engine) === (config.frozenWeights ?? 'float32'));
    const text = await this.texts.of(resolved.model);
    return {
      ...pair,
      short: contextView(text, shortContext),
      long: contextView(text, longContext),
      responses: {
        chosen: responseView(text, chosenTokens, scoresOf(scores, 'chosen')),
        rejected: pair.rejected === null ? null : responseView(text, rejectedTokens, scoresOf(scores, 'rejected')),
      },
    };
  }
}

function contextView(text: TextModel, { tokens, evidence }: ContextTokens): PairDetails['short'] {
  const evidenceTokens = evidence.reduce((sum, { start, end }) => sum + end - start, 0);
  return { tokens: tokens.length, evidenceTokens, pieces: segmentsOf(text, tokens, evidence) };
}

function responseView(text: TextModel, tokens: Int32Array, scores: readonly Score[]): ResponseView {
  const logps = (context: Score['context']): number[] | null => {
    const score = scores.find((row) => row.context === context);
    return score === undefined ? null : [...score.logps];
  };
  return { pieces: piecesOf(text, tokens), logps: { short: logps('short'), long: logps('long') } };
}

function scoresOf(scores: readonly Score[], response: Score['response']): readonly Score[] {
  return scores.filter((score) => score.response === response);
}
