import type { Document, PromptConfig } from '@solopo/contracts';
import { SolopoError } from '@solopo/contracts';
import type { Message, TextModel } from '@solopo/text';

/** Stands for the documents while the chat template is asked what it puts around them. */
const PLACEHOLDER = 'SOLOPO-DOCUMENTS';

/** A rendered prompt is `head`, the documents with separators between them, `tail`. */
export interface PromptFrame {
  readonly head: string;
  readonly tail: string;
}

/** The messages of a prompt, for the chat template. */
export function promptMessages(question: string, documents: string, prompt: PromptConfig): Message[] {
  const user: Message = { role: 'user', content: fill(prompt.user, { documents, question }) };
  return prompt.system === undefined ? [user] : [{ role: 'system', content: prompt.system }, user];
}

/** A text of the data set as it goes into a prompt: its control tokens are text where the run says so. */
export function quoted(value: string, { controlTokens }: PromptConfig, model: TextModel): string {
  return controlTokens === 'text' ? model.asText(value) : value;
}

export function quotedDocument({ title, text, relevant }: Document, prompt: PromptConfig, model: TextModel): Document {
  const own = title === undefined ? {} : { title: quoted(title, prompt, model) };
  return { ...own, text: quoted(text, prompt, model), relevant };
}

/** Without a title, the white space behind its place goes too. */
export function renderDocument({ title, text }: Document, prompt: PromptConfig): string {
  return title === undefined
    ? fill(prompt.document.replace(/\{title\}\s*/g, ''), { text })
    : fill(prompt.document, { title, text });
}

export function framePrompt(question: string, prompt: PromptConfig, text: TextModel): PromptFrame {
  const messages = promptMessages(quoted(question, prompt, text), PLACEHOLDER, prompt);
  const parts = text.renderPrompt(messages).split(PLACEHOLDER);
  const [head, tail] = parts;
  if (head !== undefined && tail !== undefined && parts.length === 2) return { head, tail };
  throw parts.length > 2
    ? new SolopoError('config-invalid', 'prompt.user has {documents} more than once: leave one.')
    : new SolopoError('model-invalid', 'The chat template leaves out the user message: correct the template.');
}

/** One pass, so that braces inside the values stay as they are. */
function fill(template: string, values: Readonly<Record<string, string>>): string {
  return template.replace(/\{(\w+)\}/g, (place, name: string) => values[name] ?? place);
}
