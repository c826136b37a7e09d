import type { SpecialTokens } from './special-tokens.ts';
import type { JsonObject, TextFile } from './text-files.ts';
import { isObject } from './text-files.ts';
import { TEMPLATE_LIMITS } from './template.limits.ts';
import { renderInThread } from './template.thread.ts';
import { TextModelError } from './text-model.error.ts';

export interface Message {
  readonly role: 'system' | 'user' | 'assistant';
  readonly content: string;
}

/**
 * A model's own Jinja template, from chat_template.jinja or else from tokenizer_config.json. It is a program of someone
 * else's: it runs in a machine of its own, with limits of time, memory and output, each time that it is rendered.
 */
export class ChatTemplate {
  private constructor(
    readonly file: TextFile,
    private readonly source: string,
    private readonly texts: SpecialTokens['texts'],
  ) {
    if (source.length > TEMPLATE_LIMITS.sourceLength) {
      throw new TextModelError(file, `a chat template of ${source.length} characters; leave at most 1 MiB`);
    }
  }

  static of(
    { 'chat_template.jinja': file }: { readonly 'chat_template.jinja'?: string | undefined },
    tokenizerConfig: JsonObject,
    texts: SpecialTokens['texts'],
  ): ChatTemplate {
    if (file !== undefined) return new ChatTemplate('chat_template.jinja', file, texts);
    const configured = tokenizerConfig['chat_template'] ?? undefined;
    const source = configuredTemplate(configured);
    if (configured !== undefined && source === undefined) {
      throw new TextModelError(
        'tokenizer_config.json',
        'chat_template: neither a text nor a list of named templates with one called default; correct it',
      );
    }
    if (source !== undefined) return new ChatTemplate('tokenizer_config.json', source, texts);
    throw new TextModelError('tokenizer_config.json', 'no chat_template; set it there, or add chat_template.jinja');
  }

  render(messages: readonly Message[], addGenerationPrompt: boolean): string {
    return this.#ask(
      JSON.stringify({
        ...this.texts,
        messages,
        add_generation_prompt: addGenerationPrompt,
        tools: null,
        documents: null,
      }),
    );
  }

  /** The texts that the template itself writes, and those that stand in its expressions, parted by null characters. */
  literals(): string {
    return this.#ask(null);
  }

  #ask(variables: string | null): string {
    const reply = renderInThread({ source: this.source, variables });
    if ('text' in reply) return reply.text;
    const { fault, reason } = reply;
    throw new TextModelError(
      this.file,
      fault === 'not understood'
        ? `chat template not understood (${reason}); correct it`
        : `chat template failed (${reason}); correct it, or leave out the system prompt if it takes none`,
    );
  }
}

/** A string, or named templates with one called `default`, as a list or as an object. */
function configuredTemplate(value: unknown): string | undefined {
  if (typeof value === 'string') return value;
  if (isObject(value)) return typeof value['default'] === 'string' ? value['default'] : undefined;
  if (!Array.isArray(value)) return undefined;
  const found: unknown = value.find((item: unknown) => isObject(item) && item['name'] === 'default');
  return isObject(found) && typeof found['template'] === 'string' ? found['template'] : undefined;
}
