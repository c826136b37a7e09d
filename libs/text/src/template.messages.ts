export interface TemplateRequest {
  readonly source: string;
  /** What the template may name, as JSON. */
  readonly variables: string;
}

export type TemplateReply =
  { readonly text: string } | { readonly fault: 'not understood' | 'failed'; readonly reason: string };
