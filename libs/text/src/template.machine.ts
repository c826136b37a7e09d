import type { QuickJSContext, QuickJSHandle, QuickJSRuntime, QuickJSWASMModule } from 'quickjs-emscripten-core';
import { TEMPLATE_LIMITS } from './template.limits.ts';
import type { TemplateReply } from './template.messages.ts';

const STACK_BYTES = 256 * 1024;

/**
 * One chat template in a JavaScript machine of its own (QuickJS in WebAssembly) with memory of its own: templates are
 * programs that come with models, and neither what they do nor what they need is to be trusted.
 */
export class TemplateMachine {
  readonly #runtime: QuickJSRuntime;
  readonly #context: QuickJSContext;
  readonly #source: string;
  #open = false;

  /** `program` is the module with `open`, `render` and `literals`; `moduleOf` gives the code of one by its name. */
  constructor(quickjs: QuickJSWASMModule, moduleOf: (name: string) => string, program: string, source: string) {
    this.#runtime = quickjs.newRuntime();
    this.#runtime.setMaxStackSize(STACK_BYTES);
    this.#runtime.setModuleLoader(moduleOf, (_, name) => name.replace('./', ''));
    this.#context = this.#runtime.newContext();
    this.#source = source;
    const start = `import * as program from './${program}'; Object.assign(globalThis, program);`;
    this.#context.unwrapResult(this.#context.evalCode(start, 'start', { type: 'module' })).dispose();
  }

  /** Text goes in and out as JSON, which keeps what a C string would not: null characters and lone surrogates. */
  answer(variables: string | null): TemplateReply {
    const { memoryBytes, memoryBytesPerCharacter, addedLength } = TEMPLATE_LIMITS;
    const length = variables?.length ?? 0;
    this.#runtime.setMemoryLimit(memoryBytes + memoryBytesPerCharacter * length);
    if (!this.#open) {
      const opened = this.#call('open', [JSON.stringify(this.#source)]);
      if ('reason' in opened) return { fault: 'not understood', reason: opened.reason };
      this.#open = true;
    }
    const rendered =
      variables === null ? this.#call('literals', []) : this.#call('render', [variables, length + addedLength]);
    if ('reason' in rendered) return { fault: 'failed', reason: rendered.reason };
    return { text: JSON.parse(rendered.json) as string };
  }

  close(): void {
    this.#context.dispose();
    this.#runtime.dispose();
  }

  #call(name: string, values: readonly (string | number)[]): { json: string } | { reason: string } {
    const context = this.#context;
    const handles = values.map((value) =>
      typeof value === 'string' ? context.newString(value) : context.newNumber(value),
    );
    const called = context
      .getProp(context.global, name)
      .consume((f) => context.callFunction(f, context.undefined, handles));
    for (const handle of handles) handle.dispose();
    if (called.error) {
      this.#runtime.setMemoryLimit(-1);
      return { reason: called.error.consume((error) => this.#reasonOf(error)) };
    }
    return { json: called.value.consume((value) => context.getString(value)) };
  }

  #reasonOf(error: QuickJSHandle): string {
    const dumped: unknown = this.#context.dump(error);
    const { name, message } = (dumped ?? {}) as { readonly name?: unknown; readonly message?: unknown };
    const text = typeof message === 'string' ? message.slice(0, 300) : 'no reason given';
    if (name === 'InternalError') return `it needs more than ${TEMPLATE_LIMITS.memoryBytes / 2 ** 20} MiB of memory`;
    if (name === 'RangeError' && /call stack/.test(text)) return 'it nests too deep';
    return text;
  }
}
