import type { Gradients } from './gradients.ts';
import { embed, embedBackward } from './head.graph.ts';
import { ModelError } from './model.error.ts';
import type { ModelWeights } from './model-weights.ts';
import { EMBEDDING } from './parameters.ts';
import type { Scope } from './scope.ts';
import { lookupFeeds, placesInPieces, type PlacesInPiece } from './table-pieces.ts';
import { addRow, float32, hostFloats, int64, zerosLike, type Tensor } from './tensor.ts';
import type { Stretch } from './tree-batch.ts';

/** Where a pass begins: the rows of the vocabulary table that the tokens are, and the gradient that reaches them. */
export class Embedding {
  constructor(private readonly weights: ModelWeights) {}

  /** Embeddings [..., d] of tokens. @throws ModelError where a token is outside the vocabulary */
  async forward(scope: Scope, tokens: Int32Array, dims: readonly [number, number]): Promise<Tensor> {
    const { config, key } = this.weights;
    const { vocabSize } = config;
    const outside = tokens.find((token) => token < 0 || token >= vocabSize);
    if (outside !== undefined)
      throw new ModelError(
        `token ${outside} is outside the vocabulary of ${vocabSize}; the tokenizer does not belong to this model`,
      );
    const { pieces, feeds, weights } = await this.weights.embedding();
    const { h } = await scope.run(
      key(`embed ${pieces.join()}`),
      () => embed(config, pieces),
      { ...feeds, ...lookupFeeds(tokens, dims, pieces), tokens: int64(tokens, dims) },
      [],
      weights,
    );
    return h as Tensor;
  }

  /** Adds the table's gradient, from that of the first layer's input. Piece by piece: no more than one is there twice. */
  async backward(scope: Scope, { tokens, rows, from, to }: Stretch, dh: Tensor, gradients: Gradients): Promise<void> {
    const { runtime, config, key, base } = this.weights;
    const pieces = await base.pieces(EMBEDDING);
    const places = placesInPieces(
      tokens,
      pieces.map(([, { dims }]) => dims[0] as number),
    );
    for (const [i, [name, piece]] of pieces.entries()) {
      const inPiece = places[i] as PlacesInPiece;
      const table = gradients.get(name) ?? (await runtime.upload(zerosLike(piece)));
      gradients.set(name, table);
      if (!runtime.keepsOnDevice) {
        const [sum, shares] = [hostFloats(table), hostFloats(dh)];
        inPiece.rows.forEach((row, token) => {
          if (inPiece.inside[token] === 1) addRow(sum, row, config.embeddingScale, shares, token, config.hiddenSize);
        });
        continue;
      }
      const [size] = piece.dims;
      const { d_table_out } = await scope.run(key(`embed-backward ${size}`), () => embedBackward(config, size), {
        d_table: table,
        dh,
        tokens: int64(inPiece.rows, [rows, to - from]),
        inside: float32(inPiece.inside, [rows, to - from, 1]),
      });
      gradients.set(name, scope.release(d_table_out as Tensor));
      runtime.free(table);
    }
  }
}
