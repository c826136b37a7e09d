/** A prompt and the responses that continue it. Each response sees the prompt and itself, not the others. */
export interface Tree {
  readonly prompt: Int32Array;
  readonly branches: readonly Int32Array[];
}

/** A token to predict: `index` is the place (row * length + column) whose hidden state predicts it. */
export interface Target {
  readonly index: number;
  readonly token: number;
  readonly tree: number;
  readonly branch: number;
}

/**
 * Trees laid out as rows [prompt | branch 0 | branch 1 ...], padded at the end. Positions continue from the prompt's end
 * in every branch, so a tree gives what its [prompt | branch] rows give when run apart.
 */
export interface TreeBatch {
  readonly rows: number;
  readonly length: number;
  readonly tokens: Int32Array;
  readonly positions: Int32Array;
  readonly promptEnd: Int32Array;
  readonly branchStart: Int32Array;
  /** Of each row: its prompt and the longest of its branches. */
  readonly sequenceLengths: Int32Array;
  /** The first column of which the last block's output is read: the last block gives it from there on. */
  readonly readFrom: number;
  /** Of each row: keys and values of the tokens before this column are constants of the backward pass, which ends there. */
  readonly gradientFrom: Int32Array;
  readonly targets: readonly Target[];
  /** Tokens without padding. */
  readonly tokenCount: number;
}

/** Where the hidden state at a batch's `index` stands in the last block's output. */
export function outputIndex({ length, readFrom }: Pick<TreeBatch, 'length' | 'readFrom'>, index: number): number {
  return Math.floor(index / length) * (length - readFrom) + (index % length) - readFrom;
}

export const treeLength = ({ prompt, branches }: Tree): number =>
  prompt.length + branches.reduce((sum, { length }) => sum + length, 0);

/** In place of a branch's number: the target is a token of the prompt. */
export const PROMPT_BRANCH = -1;

/** In place of a tree's number: the target is there for the shape of the head's products alone. */
export const NO_TREE = -1;

export interface PackOptions {
  /** The prompt's tokens but the first are targets too, behind those of all branches. */
  readonly scorePrompt?: boolean;
  /**
   * Where a tree's branches differ in length and the longest sequence has more tokens than this, each gets a row of its
   * own: dynamic rotary scaling rotates every token by its sequence's length. The prompt is then scored with the first.
   */
  readonly sharePromptsUpTo?: number;
  /** The trees are a part of these: rows are as long, and their output is read from the same column on, as in a batch of them all. */
  readonly partOf?: readonly Tree[];
  /** How many of a prompt's last tokens have a gradient, beside the branches'. Default: all. */
  readonly tail?: number;
}

/**
 * Targets are the tokens of the branches; the first one of each is predicted by the prompt's last token. The output is read
 * from the end of the shortest prompt on.
 */
export function packTrees(
  trees: readonly Tree[],
  { scorePrompt = false, sharePromptsUpTo = Infinity, partOf = trees, tail = Infinity }: PackOptions = {},
): TreeBatch {
  const rows = trees.flatMap((tree, index) => rowsOf(tree, sharePromptsUpTo).map((row) => ({ ...row, tree: index })));
  const laidOut = partOf === trees ? rows : partOf.flatMap((tree) => rowsOf(tree, sharePromptsUpTo));
  const batch = allocate(rows.length, Math.max(...laidOut.map(treeLength)));
  const targets: Target[] = [];
  const promptTargets: Target[] = [];
  let tokenCount = 0;
  rows.forEach(({ prompt, branches, firstBranch, tree }, row) => {
    const start = row * batch.length;
    batch.sequenceLengths[row] = prompt.length + Math.max(0, ...branches.map(({ length }) => length));
    batch.gradientFrom[row] = Math.max(0, prompt.length - tail);
    for (let t = 0; t < prompt.length; t++) place(batch, start + t, prompt[t] as number, t, 0, 0);
    let column = prompt.length;
    branches.forEach((tokens, index) => {
      const branchStart = column;
      const branch = firstBranch + index;
      tokens.forEach((token, t) => {
        targets.push({ index: start + (t === 0 ? prompt.length - 1 : column - 1), token, tree, branch });
        place(batch, start + column, token, prompt.length + t, prompt.length, branchStart);
        column += 1;
      });
    });
    tokenCount += column;
    for (let t = 1; scorePrompt && firstBranch === 0 && t < prompt.length; t++) {
      promptTargets.push({ index: start + t - 1, token: prompt[t] as number, tree, branch: PROMPT_BRANCH });
    }
    // Padding sees the prompt and itself only; nothing sees it.
    for (; column < batch.length; column++) place(batch, start + column, 0, 0, prompt.length, column);
  });
  const readFrom = scorePrompt ? 0 : Math.min(...laidOut.map(({ prompt }) => prompt.length - 1));
  return { ...batch, readFrom: Math.max(0, readFrom), targets: [...targets, ...promptTargets], tokenCount };
}

/** Columns of a batch that run behind those before them, whose keys and values are there. */
export interface Stretch extends Pick<TreeBatch, 'rows' | 'sequenceLengths' | 'readFrom' | 'gradientFrom'> {
  /** The first column that runs, and the one behind the last. */
  readonly from: number;
  readonly to: number;
  /** Of the columns that run. */
  readonly tokens: Int32Array;
  /** Of all columns up to the last. */
  readonly positions: Int32Array;
  readonly promptEnd: Int32Array;
  readonly branchStart: Int32Array;
}

/** A batch's columns up to `to`; a stretch that is not the batch's end is run for its keys and values. */
export function stretchOf(batch: TreeBatch, from = 0, to = batch.length): Stretch {
  const { rows, length, sequenceLengths, readFrom, gradientFrom } = batch;
  const columns = (values: Int32Array, first: number): Int32Array => {
    if (first === 0 && to === length) return values;
    const cut = new Int32Array(rows * (to - first));
    for (let row = 0; row < rows; row++)
      cut.set(values.subarray(row * length + first, row * length + to), row * (to - first));
    return cut;
  };
  return {
    rows,
    sequenceLengths,
    // Of a last layer that nobody reads the output of, one token's is made.
    readFrom: to === length ? readFrom : to - 1,
    gradientFrom: to === length ? gradientFrom : new Int32Array(rows),
    from,
    to,
    tokens: columns(batch.tokens, from),
    positions: columns(batch.positions, 0),
    promptEnd: columns(batch.promptEnd, 0),
    branchStart: columns(batch.branchStart, 0),
  };
}

/** The first column that keeps anything for the backward pass but keys and values. */
export function firstKept({ gradientFrom, readFrom }: Pick<TreeBatch, 'gradientFrom' | 'readFrom'>): number {
  return Math.min(readFrom, ...gradientFrom);
}

/** The columns before the first that is kept, a part at a time: more do not go through the layers at once. */
export function stretchesBefore(batch: TreeBatch, maxTokens: number): readonly Stretch[] {
  const end = firstKept(batch);
  const count = Math.ceil((end * batch.rows) / maxTokens);
  const step = Math.ceil(end / count);
  return Array.from({ length: count }, (_, i) => stretchOf(batch, i * step, Math.min(end, (i + 1) * step)));
}

/** A tree as one row, or as one row a branch. */
function rowsOf({ prompt, branches }: Tree, sharePromptsUpTo: number): (Tree & { readonly firstBranch: number })[] {
  const lengths = branches.map(({ length }) => length);
  const [longest, shortest] = [Math.max(...lengths), Math.min(...lengths)];
  if (longest <= shortest || prompt.length + longest <= sharePromptsUpTo) return [{ prompt, branches, firstBranch: 0 }];
  return branches.map((branch, firstBranch) => ({ prompt, branches: [branch], firstBranch }));
}

/** Plain sequences: every token but the first is a target. */
export function packSequences(sequences: readonly Int32Array[]): TreeBatch {
  const batch = packTrees(sequences.map((prompt) => ({ prompt, branches: [] })));
  const targets = sequences.flatMap((tokens, tree) =>
    Array.from(tokens.subarray(1), (token, t) => ({ index: tree * batch.length + t, token, tree, branch: 0 })),
  );
  return { ...batch, readFrom: 0, targets };
}

function allocate(rows: number, length: number) {
  const empty = (): Int32Array => new Int32Array(rows * length);
  return {
    rows,
    length,
    tokens: empty(),
    positions: empty(),
    promptEnd: empty(),
    branchStart: empty(),
    sequenceLengths: new Int32Array(rows),
    gradientFrom: new Int32Array(rows),
  };
}

function place(
  batch: ReturnType<typeof allocate>,
  at: number,
  token: number,
  position: number,
  promptEnd: number,
  branchStart: number,
): void {
  batch.tokens[at] = token;
  batch.positions[at] = position;
  batch.promptEnd[at] = promptEnd;
  batch.branchStart[at] = branchStart;
}
