import type { TextFiles } from '@solopo/text';
import { SPECIAL_TOKENS, VOCABULARY } from './vocabulary.ts';

/** Contents with a space behind them, and the end token behind an answer: `<prompt> <answer> <eos>`. */
const CHAT_TEMPLATE =
  "{% for message in messages %}{{ message['content'] }}{{ ' <eos>' if message['role'] == 'assistant' else ' ' }}{% endfor %}";

type RetrievalFile = 'tokenizer.json' | 'tokenizer_config.json' | 'generation_config.json';

/**
 * The word-level tokenizer of the retrieval task in Hugging Face form: a WordPiece model whose pieces are whole words
 * parted by white space, because not every reader has the WordLevel model.
 */
export function retrievalTokenizer(): Required<Pick<TextFiles, RetrievalFile>> {
  const idOf = Object.fromEntries(VOCABULARY.map((word, id) => [word, id]));
  const tokenizer = {
    version: '1.0',
    truncation: null,
    padding: null,
    added_tokens: SPECIAL_TOKENS.map((content, id) => ({
      id,
      content,
      single_word: false,
      lstrip: false,
      rstrip: false,
      normalized: false,
      special: true,
    })),
    normalizer: null,
    pre_tokenizer: { type: 'WhitespaceSplit' },
    post_processor: null,
    decoder: { type: 'WordPiece', prefix: '##', cleanup: false },
    model: {
      type: 'WordPiece',
      unk_token: '<unk>',
      continuing_subword_prefix: '##',
      max_input_chars_per_word: 100,
      vocab: idOf,
    },
  };
  const tokenizerConfig = {
    tokenizer_class: 'PreTrainedTokenizerFast',
    pad_token: '<pad>',
    unk_token: '<unk>',
    eos_token: '<eos>',
    clean_up_tokenization_spaces: false,
    chat_template: CHAT_TEMPLATE,
  };
  const generationConfig = { eos_token_id: idOf['<eos>'], pad_token_id: idOf['<pad>'] };
  return {
    'tokenizer.json': pretty(tokenizer),
    'tokenizer_config.json': pretty(tokenizerConfig),
    'generation_config.json': pretty(generationConfig),
  };
}

function pretty(value: object): string {
  return `${JSON.stringify(value, null, 2)}\n`;
}
