export type { Message } from './chat-template.ts';
export { llama2cTokenizerFiles } from './llama2c-tokenizer.ts';
export type { LocalParting } from './local-parting.ts';
export { TEXT_FILES } from './text-files.ts';
export type { JsonObject, TextFile, TextFiles, TextFolder } from './text-files.ts';
export { TextModel } from './text-model.ts';
export { TextModelError } from './text-model.error.ts';
export { tokenizeHere } from './tokenizer.ts';
