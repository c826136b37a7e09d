import type { ContextsConfig, Example, PromptConfig } from '@solopo/contracts';
import type { Refused } from '@solopo/corpus';
import type { NewContext } from '@solopo/ledger';

/** Of which model's text the contexts are made, and how. */
interface Composition {
  /** The model's folder. */
  readonly folder: string;
  readonly prompt: PromptConfig;
  readonly seed: number;
  readonly examples: readonly Example[];
}

/** What the composing process is asked, and what it answers. Examples are taken, and answered, in their order. */
export interface ComposerTasks {
  /** Further examples whose documents lengthen contexts; those of another pool are forgotten. */
  readonly fill: {
    readonly input: { readonly pool: string; readonly examples: readonly Example[] };
    readonly output: null;
  };
  readonly pairs: {
    readonly input: Composition & { readonly contexts: ContextsConfig; readonly pool: string | undefined };
    readonly output: readonly ((Refused | { readonly short: NewContext; readonly long: NewContext }) & {
      readonly hasControlToken: boolean;
    })[];
  };
  /** Prompts of so many documents. */
  readonly at: {
    readonly input: Composition & { readonly documents: number };
    readonly output: readonly ((Refused | { readonly tokens: Int32Array }) & { readonly hasControlToken: boolean })[];
  };
}

export type ComposerTask = keyof ComposerTasks;

export type ToComposer = {
  [K in ComposerTask]: { readonly id: number; readonly task: K; readonly input: ComposerTasks[K]['input'] };
}[ComposerTask];

export type FromComposer =
  | { readonly id: number; readonly output: ComposerTasks[ComposerTask]['output'] }
  | { readonly id: number; readonly code: string; readonly message: string };
