const NOTE = `## Merged

The adapter that the run trained is merged into the weights of its base model: this folder is a whole model in float32.
`;

/** The card of an adapter, as that of the model it was merged into. */
export function mergedCard(card: string): string {
  return `${card.replace(/^library_name: peft$/m, 'library_name: transformers').trimEnd()}\n\n${NOTE}`;
}
