import { readFileSync } from 'node:fs';
import { stripTypeScriptTypes } from 'node:module';
import { extname } from 'node:path';
import { workerData } from 'node:worker_threads';
import { newQuickJSWASMModuleFromVariant } from 'quickjs-emscripten-core';
import { TemplateMachine } from './template.machine.ts';
import type { TemplateRequest } from './template.messages.ts';
import type { WaitedWorkerData } from './waited-thread.ts';
import { answerIn } from './waited-thread.ts';

/** Templates in use at the same time: a model or two. */
const MACHINES = 4;
const EXTENSION = extname(import.meta.url);

const quickjs = await newQuickJSWASMModuleFromVariant(import('@jitl/quickjs-ng-wasmfile-release-sync'));
const machines = new Map<string, TemplateMachine>();
const modules = new Map<string, string>();

/** JavaScript of the interpreter, as built or, in tests, of its sources. */
function moduleOf(name: string): string {
  let code = modules.get(name);
  if (code === undefined) {
    const text = readFileSync(new URL(`./jinja/${name}`, import.meta.url), 'utf8');
    modules.set(name, (code = EXTENSION === '.ts' ? stripTypeScriptTypes(text) : text));
  }
  return code;
}

const machineOf = (source: string): TemplateMachine =>
  new TemplateMachine(quickjs, moduleOf, `render${EXTENSION}`, source);

machineOf('').close();
answerIn(workerData as WaitedWorkerData, ({ source, variables }: TemplateRequest) => {
  const machine = machines.get(source) ?? machineOf(source);
  machines.delete(source);
  const reply = machine.answer(variables);
  if ('text' in reply) machines.set(source, machine);
  else machine.close();
  const [oldest] = machines.keys();
  if (machines.size > MACHINES && oldest !== undefined) {
    machines.get(oldest)?.close();
    machines.delete(oldest);
  }
  return reply;
});
