export interface TemplateRequest {
  readonly source: string;
  /** What the template may name, as JSON; null asks for the template's own texts. */
  readonly variables: string | null;
}

export type TemplateReply =
  { readonly text: string } | { readonly fault: 'not understood' | 'failed'; readonly reason: string };
