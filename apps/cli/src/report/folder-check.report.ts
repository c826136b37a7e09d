import type { FolderCheck } from '@solopo/lm/model-folder';
import { percent, whole } from './numbers.ts';
import { sections, type Section } from './sections.ts';
import { table } from './table.ts';

/** All that was seen, for people; without the verdict where the folder is registered next. */
export function describeFolderCheck(check: FolderCheck, { verdict = true } = {}): string {
  const parts: (Section | null)[] = [
    ['Model', modelOf(check)],
    ['Files', filesOf(check)],
    check.lengths && ['Lengths', lengthsOf(check.lengths)],
    check.text && ['Sample text', sampleOf(check.text)],
    check.text && ['Chat template', templateOf(check.text)],
    check.transformers && [`In transformers ${check.transformers.version}`, transformersOf(check.transformers)],
    check.warnings.length > 0 ? ['Warnings', items(check.warnings)] : null,
    verdict ? ['Verdict', verdictOf(check)] : null,
  ];
  return sections(parts.filter((part) => part !== null)).trimEnd();
}

export function refusalOf(path: string, faults: readonly string[]): string {
  return `${path} cannot be registered; mend it, and look at it again with solopo models check:\n${items(faults)}`;
}

function modelOf({ format, config, foreign, parameters, weights, adapter }: FolderCheck): string {
  if (foreign !== null)
    return `${foreign.family}, ${whole(foreign.parameters)} numbers in its files, vocabulary ${whole(foreign.vocabSize)}: no family that onnxruntime's graphs are made for, or a setting that they do not have.`;
  if (config === null || parameters === null) return 'Not known: there is no configuration that can be read.';
  const { family, layers, hiddenSize, heads, kvHeads, vocabSize, tiedEmbeddings } = config;
  const rows: (readonly [string, string])[] = [
    [
      'family',
      `${family}${format === 'gguf' ? ', in a GGUF file: it is dequantised to float32 when it is added' : ''}`,
    ],
    ['parameters', whole(parameters)],
    [
      'shape',
      `${layers} layers of width ${whole(hiddenSize)}, ${heads} heads (${kvHeads} of keys and values), vocabulary ${whole(vocabSize)}`,
    ],
    [
      'weights',
      weights === null
        ? 'none that can be read'
        : weights.types
            .map(
              ({ type, tensors, parameters: count }) =>
                `${type}: ${whole(count)} numbers in ${tensors} ${tensors === 1 ? 'tensor' : 'tensors'}`,
            )
            .join('; '),
    ],
    ['size', weights === null ? '' : sizesOf(weights.bytes, 4 * parameters)],
    [
      'output layer',
      weights?.head === 'tied, and stored'
        ? 'the embedding (tied), which the files hold twice'
        : weights?.head === 'own, though tied'
          ? 'a table of its own, though config.json ties it: transformers 5 takes the table too, version 4 does not'
          : tiedEmbeddings
            ? 'the embedding (tied)'
            : 'a table of its own',
    ],
    [
      'adapter',
      adapter === null
        ? ''
        : `PEFT ${adapter.kind} of rank ${adapter.ranks.join(', ')} on ${adapter.modules.join(', ')} (${whole(adapter.layers)} layers); merged`,
    ],
  ];
  return table(
    rows.filter(([, value]) => value !== ''),
    2,
  );
}

function filesOf({ files, ignored }: FolderCheck): string {
  const rows = [
    ...files.read.map(({ name, bytes }) => [name, sizeOf(bytes), 'read']),
    ...files.ignored.map(({ name, bytes, why }) => [
      name,
      why === 'a folder inside' ? '' : sizeOf(bytes),
      `not read: ${why}`,
    ]),
    ...ignored.map(({ file, what, why }) => [`${file}: ${what}`, '', `without effect: ${why}`]),
  ];
  return rows.length === 0 ? 'None.' : table(rows, 3);
}

function lengthsOf({
  maxPositions,
  ropeScaling,
  slidingWindow,
  modelMaxLength,
}: NonNullable<FolderCheck['lengths']>): string {
  const rows: (readonly [string, string])[] = [
    ['positions', `${whole(maxPositions)} tokens (max_position_embeddings); longer contexts are warned of`],
    ...ropeScaling.map(({ layers, scaling }) => {
      const original = 'originalPositions' in scaling ? ` of ${whole(scaling.originalPositions)} positions` : '';
      return ['rope scaling', `${scaling.type}, ${scaling.factor} times${original}, in ${layers} layers`] as const;
    }),
    [
      'sliding window',
      slidingWindow === null
        ? 'none: every token sees all before it'
        : `${whole(slidingWindow.tokens)} tokens, in ${slidingWindow.layers} layers`,
    ],
    [
      'model_max_length',
      modelMaxLength === null
        ? ''
        : `${whole(modelMaxLength)} tokens (tokenizer_config.json): other tools warn beyond it; here positions count`,
    ],
  ];
  return table(
    rows.filter(([, value]) => value !== ''),
    2,
  );
}

function sampleOf({ tokenizer, vocabulary, sample }: NonNullable<FolderCheck['text']>): string {
  const { text, prompt, promptIds, tokens, unknown } = sample;
  const share = unknown === 0 ? '' : `, ${unknown} of them (${percent(unknown / tokens.length)} %) the unknown token`;
  return [
    `${JSON.stringify(text)}`,
    `${tokens.length} tokens of the ${tokenizer} tokenizer, which has ${whole(vocabulary)}${share}:`,
    wrapped(tokens.map(({ id, text: piece }) => `${JSON.stringify(piece)} ${id}`)),
    '',
    `As the user's message it becomes this prompt of ${promptIds.length} tokens:`,
    prompt.replace(/^/gm, '  | '),
  ].join('\n');
}

function templateOf({ templateFile, findings }: NonNullable<FolderCheck['text']>): string {
  const marks = { ok: 'ok', note: 'note', warning: 'WARNING' };
  return `From ${templateFile}.\n${table(
    findings.map(({ name, state, detail }) => [marks[state], name, detail]),
    3,
  )}`;
}

function transformersOf({
  tokenizerClass,
  tried,

  fromHere,
  fromFile,
  note,
}: NonNullable<FolderCheck['transformers']>): string {
  if (fromHere !== null)
    return `AutoTokenizer makes a ${tokenizerClass}, whose ids are OTHERS in ${fromHere.texts} of ${tried} texts tried; see the warnings.`;
  if (note !== null)
    return `${note}${fromFile === null ? '' : ` That is so in ${fromFile.texts} of ${tried} texts tried.`}`;
  const own =
    tokenizerClass === 'TokenizersBackend' ? ' of tokenizer.json as it is' : ", whose parts are tokenizer.json's";
  return `AutoTokenizer makes a ${tokenizerClass}${own}: the same ids as here.`;
}

function verdictOf({ faults, engines, warnings, path }: FolderCheck): string {
  if (engines.length === 0) return `REFUSED: it cannot be registered.\n${items(faults)}`;
  const worth =
    warnings.length === 0
      ? ''
      : `, with ${warnings.length === 1 ? 'a warning' : `${warnings.length} warnings`} to read first`;
  const add = `solopo models add ${path}`;
  return engines.includes('onnx')
    ? `It can be registered${worth}: ${add}`
    : `It can be registered for runs with engine: torch alone, where workers have PyTorch (./solopo engine add torch)${worth}: ${add}\nBy onnxruntime it is refused:\n${items(faults)}`;
}

function items(sentences: readonly string[]): string {
  return sentences.map((each) => `- ${each}`).join('\n');
}

function sizesOf(stored: number, trained: number): string {
  return stored === trained ? sizeOf(stored) : `${sizeOf(stored)}; in float32, as it is trained, ${sizeOf(trained)}`;
}

function sizeOf(bytes: number): string {
  const units = ['bytes', 'kB', 'MB', 'GB', 'TB'];
  const power = Math.min(units.length - 1, Math.floor(Math.log10(Math.max(1, bytes)) / 3));
  const value = bytes / 1000 ** power;
  return `${power === 0 || value >= 100 ? Math.round(value) : value.toFixed(1)} ${units[power]}`;
}

/** Pieces in lines of a readable length. */
function wrapped(pieces: readonly string[], width = 100): string {
  const lines: string[] = [];
  for (const piece of pieces) {
    const last = lines.at(-1);
    if (last !== undefined && last.length + piece.length + 2 <= width) lines[lines.length - 1] = `${last}  ${piece}`;
    else lines.push(piece);
  }
  return lines.map((line) => `  ${line}`).join('\n');
}
