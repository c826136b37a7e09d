import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { TextFiles } from './text-files.ts';

const DATA = join(import.meta.dirname, '../../../data');

export function dataFile(path: string): string {
  return readFileSync(join(DATA, path), 'utf8');
}

export function dataFolder(path: string): string {
  return join(DATA, path);
}

const TOKENIZER = {
  version: '1.0',
  added_tokens: [{ id: 1, content: '<eos>', special: true, normalized: false }],
  normalizer: null,
  pre_tokenizer: { type: 'WhitespaceSplit' },
  post_processor: null,
  decoder: { type: 'WordPiece', prefix: '##', cleanup: false },
  model: {
    type: 'WordPiece',
    unk_token: '<unk>',
    continuing_subword_prefix: '##',
    max_input_chars_per_word: 100,
    vocab: { '<unk>': 0, '<eos>': 1, a: 2, b: 3 },
  },
};

const CONFIG = {
  eos_token: { content: '<eos>' },
  chat_template: "{% for m in messages %}{{ m.content }}{{ ' <eos>' if m.role == 'assistant' else ' ' }}{% endfor %}",
};

/** The smallest tokenizer, four words, with changes. */
export function smallFiles(changes: TextFiles = {}): TextFiles {
  return {
    'tokenizer.json': JSON.stringify(TOKENIZER),
    'tokenizer_config.json': JSON.stringify(CONFIG),
    ...changes,
  };
}

export function withConfig(change: object): TextFiles {
  return smallFiles({ 'tokenizer_config.json': JSON.stringify({ ...CONFIG, ...change }) });
}

export function withTokenizer(change: object, model: object = {}): TextFiles {
  return smallFiles({
    'tokenizer.json': JSON.stringify({ ...TOKENIZER, model: { ...TOKENIZER.model, ...model }, ...change }),
  });
}

export function withTemplate(template: string): TextFiles {
  return smallFiles({ 'chat_template.jinja': template });
}

/** A template on the Qwen2.5 tokenizer, which has no words of its own for the marks of others: they are added. */
export function onQwenTokenizer(template: string, marks: readonly string[], config: object): TextFiles {
  const tokenizer = JSON.parse(dataFile('models/qwen2.5-0.5b-instruct/tokenizer.json')) as { added_tokens: object[] };
  const added = marks.map((content, index) => ({ id: 151_665 + index, content, special: true, normalized: false }));
  return {
    'tokenizer.json': JSON.stringify({ ...tokenizer, added_tokens: [...tokenizer.added_tokens, ...added] }),
    'tokenizer_config.json': JSON.stringify(config),
    'chat_template.jinja': template,
  };
}
