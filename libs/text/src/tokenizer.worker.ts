/** The thread between one that waits for its answers and the native tokenizers. */
import { fork, type ChildProcess } from 'node:child_process';
import { extname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { workerData } from 'node:worker_threads';
import type { WaitedWorkerData } from './waited-thread.ts';
import { answerIn } from './waited-thread.ts';
import { NativeTokenizers } from './native-tokenizers.ts';
import type { TokenizerHost, TokenizerReply, TokenizerRequest } from './tokenizer.messages.ts';

const CHILD = fileURLToPath(new URL(`./tokenizer.child${extname(import.meta.url)}`, import.meta.url));

const data = workerData as WaitedWorkerData & { readonly host: TokenizerHost };
if (data.host === 'here') {
  const tokenizers = new NativeTokenizers();
  answerIn(data, (request: TokenizerRequest) => tokenizers.answer(request));
} else {
  let child: ChildProcess | undefined;
  answerIn(data, (request: TokenizerRequest) => {
    child ??= start();
    return ask(child, request);
  });

  function start(): ChildProcess {
    const stdio = ['ignore', 'ignore', 'ignore', 'ipc'] as const;
    const started = fork(CHILD, [], { execArgv: [], serialization: 'advanced', stdio: [...stdio] });
    started.on('exit', () => (child = undefined));
    return started;
  }
}

/** One request at a time: the thread that asks waits. */
function ask(process: ChildProcess, request: TokenizerRequest): Promise<TokenizerReply> {
  return new Promise((resolve) => {
    const onMessage = (reply: TokenizerReply): void => settle(reply);
    const onEnd = (): void => settle({ fault: 'died', reason: 'the tokenizers library ended its process' });
    const settle = (reply: TokenizerReply): void => {
      process.off('message', onMessage);
      process.off('exit', onEnd);
      resolve(reply);
    };
    process.on('message', onMessage);
    process.on('exit', onEnd);
    process.send(request, (error) => {
      if (error) onEnd();
    });
  });
}
