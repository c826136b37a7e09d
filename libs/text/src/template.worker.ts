import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { workerData } from 'node:worker_threads';
import { newQuickJSWASMModuleFromVariant } from 'quickjs-emscripten-core';
import { TemplateMachine } from './template.machine.ts';
import type { TemplateRequest } from './template.messages.ts';
import type { WaitedWorkerData } from './waited-thread.ts';
import { answerIn } from './waited-thread.ts';

/** Templates in use at the same time: a model or two. */
const MACHINES = 4;

const jinja = readFileSync(createRequire(import.meta.url).resolve('@huggingface/jinja'), 'utf8');
const quickjs = await newQuickJSWASMModuleFromVariant(import('@jitl/quickjs-ng-wasmfile-release-sync'));
const machines = new Map<string, TemplateMachine>();

new TemplateMachine(quickjs, jinja, '').close();
answerIn(workerData as WaitedWorkerData, ({ source, variables }: TemplateRequest) => {
  const machine = machines.get(source) ?? new TemplateMachine(quickjs, jinja, source);
  machines.delete(source);
  const reply = machine.render(variables);
  if ('text' in reply) machines.set(source, machine);
  else machine.close();
  const [oldest] = machines.keys();
  if (machines.size > MACHINES && oldest !== undefined) {
    machines.get(oldest)?.close();
    machines.delete(oldest);
  }
  return reply;
});
