export type { Message } from './chat-template.ts';
export { ggufTokenizerFiles } from './gguf-tokenizer.ts';
export { llama2cTokenizerFiles } from './llama2c-tokenizer.ts';
export { SPLITTING_RULES } from './splitting-rules.ts';
export { TEXT_FILES } from './text-files.ts';
export type { TextFile, TextFiles } from './text-files.ts';
export { TextModel } from './text-model.ts';
export { TextModelError } from './text-model.error.ts';
