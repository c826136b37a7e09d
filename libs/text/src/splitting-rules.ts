/** How a text is cut into the words that byte-pair encoding then works on: pieces are cut by one expression after another. */
export interface SplittingRule {
  readonly expressions: readonly string[];
  /** A word that is a token is taken as it is, whatever the merges make of it. */
  readonly wholeWords: boolean;
  /** Texts begin with the first token, unless the file says otherwise. */
  readonly addsFirst: boolean;
}

const CONTRACTIONS = "(?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])";
const GPT2 = "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)";
/** GPT-4's, with so many digits in a word. */
const gpt4 = (digits: string): string =>
  `${CONTRACTIONS}|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|${digits}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+`;
/** Words in camel case are cut; llama.cpp tells cases apart in ASCII alone. */
const camel = (contractions: string, digits: string): string => {
  const [upper, lower] = ['(?:(?=\\p{L})[^a-z])', '(?:(?=\\p{L})[^A-Z])'];
  const before = '[^\\r\\n\\p{L}\\p{N}]?';
  return `${before}${upper}*${lower}+${contractions}|${before}${upper}+${lower}*${contractions}|${digits}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+`;
};

const rule = (expressions: readonly string[], more: Partial<SplittingRule> = {}): SplittingRule => ({
  expressions,
  wholeWords: false,
  addsFirst: false,
  ...more,
});

const LLAMA3 = rule([gpt4('\\p{N}{1,3}')], { wholeWords: true, addsFirst: true });
const QWEN2 = rule([gpt4('\\p{N}')]);
const SMOLLM = rule(['\\p{N}', GPT2]);
const PLAIN = rule([GPT2]);
const DEFAULT = rule(['[\\p{P}\\$\\+<=>\\^~\\|]+', GPT2, '\\p{N}+', '[0-9][0-9][0-9]']);

/**
 * By the names that `tokenizer.ggml.pre` has: those whose rule in llama.cpp (src/llama-vocab.cpp, at 00ad355e) can be said in
 * JavaScript's expressions. A file that names none has `default`, as there.
 */
export const SPLITTING_RULES: Readonly<Record<string, SplittingRule>> = {
  default: DEFAULT,
  'gpt-2': PLAIN,
  'phi-2': PLAIN,
  olmo: PLAIN,
  mpt: PLAIN,
  jais: PLAIN,
  trillion: PLAIN,
  exaone4: PLAIN,
  mellum: PLAIN,
  gigachat: PLAIN,
  'a.x-4.0': PLAIN,
  smollm: SMOLLM,
  starcoder: SMOLLM,
  refact: SMOLLM,
  'command-r': SMOLLM,
  codeshell: SMOLLM,
  exaone: SMOLLM,
  'minerva-7b': SMOLLM,
  mellum2: SMOLLM,
  'llama-bpe': LLAMA3,
  llama3: LLAMA3,
  'llama-v3': LLAMA3,
  falcon3: LLAMA3,
  'falcon-h1': LLAMA3,
  pixtral: LLAMA3,
  'midm-2.0': LLAMA3,
  dbrx: rule(LLAMA3.expressions),
  'smaug-bpe': rule(LLAMA3.expressions),
  qwen2: QWEN2,
  'deepseek-r1-qwen': QWEN2,
  megrez: QWEN2,
  kormo: QWEN2,
  stablelm2: QWEN2,
  tekken: rule([camel('', '\\p{N}')], { wholeWords: true, addsFirst: true }),
  'gpt-4o': rule([camel(`${CONTRACTIONS}?`, '\\p{N}{1,3}')]),
  'deepseek-coder': rule(['[\\r\\n]', '\\s?\\p{L}+', '\\s?\\p{P}+', '[一-龥ࠀ-一가-퟿]+', '\\p{N}']),
  'deepseek-v3': rule([
    '\\p{N}{1,3}',
    '[一-龥぀-ゟ゠-ヿ]+',
    '[!"#$%&\'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+|[^\\r\\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+| ?[\\p{P}\\p{S}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+',
  ]),
};
