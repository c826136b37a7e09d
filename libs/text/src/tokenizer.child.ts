/** The process that holds the native tokenizers for one that must not die of them. It ends when its parent does. */
import { NativeTokenizers } from './native-tokenizers.ts';
import type { TokenizerRequest } from './tokenizer.messages.ts';

const tokenizers = new NativeTokenizers();

process.on('message', (request: TokenizerRequest) => {
  void tokenizers.answer(request).then((reply) => process.send?.(reply));
});
// At once: an exit would wait for the text that is being encoded.
process.on('disconnect', () => process.kill(process.pid, 'SIGKILL'));
// Ctrl-C reaches the whole group; the parent decides when the work ends.
process.on('SIGINT', () => undefined);
process.on('SIGTERM', () => undefined);
