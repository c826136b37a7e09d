import { Template } from '@huggingface/jinja';
import type { SpecialTokens } from './special-tokens.ts';
import type { JsonObject, TextFiles } from './text-files.ts';
import { isObject } from './text-files.ts';
import { TextModelError } from './text-model.error.ts';

export interface Message {
  readonly role: 'system' | 'user' | 'assistant';
  readonly content: string;
}

/** A model's own Jinja template, from chat_template.jinja or else from tokenizer_config.json. */
export class ChatTemplate {
  readonly #template: Template;

  private constructor(
    readonly file: string,
    source: string,
    private readonly texts: SpecialTokens['texts'],
  ) {
    try {
      this.#template = new Template(source);
    } catch (error) {
      throw new TextModelError(file, `chat template not understood (${(error as Error).message}); correct it`, {
        cause: error,
      });
    }
  }

  static of(files: TextFiles, tokenizerConfig: JsonObject, texts: SpecialTokens['texts']): ChatTemplate {
    const file = files['chat_template.jinja'];
    if (file !== undefined) return new ChatTemplate('chat_template.jinja', file, texts);
    const source = configuredTemplate(tokenizerConfig['chat_template']);
    if (source !== undefined) return new ChatTemplate('tokenizer_config.json', source, texts);
    throw new TextModelError('tokenizer_config.json', 'no chat_template; set it there, or add chat_template.jinja');
  }

  render(messages: readonly Message[], addGenerationPrompt: boolean): string {
    try {
      return this.#template.render({
        ...this.texts,
        messages,
        add_generation_prompt: addGenerationPrompt,
        tools: null,
        // Llama 3 templates print today's date unless told one: equal inputs must give equal prompts on any day.
        date_string: '26 Jul 2024',
      });
    } catch (error) {
      throw new TextModelError(
        this.file,
        `chat template failed (${(error as Error).message}); correct it, or leave out the system prompt if it takes none`,
        { cause: error },
      );
    }
  }
}

/** A string, or a list of named templates with one called `default`. */
function configuredTemplate(value: unknown): string | undefined {
  if (typeof value === 'string') return value;
  if (!Array.isArray(value)) return undefined;
  const found: unknown = value.find((item: unknown) => isObject(item) && item['name'] === 'default');
  return isObject(found) && typeof found['template'] === 'string' ? found['template'] : undefined;
}
