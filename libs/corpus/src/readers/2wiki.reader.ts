import { supportingFactsSchema } from './supporting-facts.ts';

/** A record of 2WikiMultihopQA as published. Sentences come without spaces between them. */
export const twoWikiSchema = supportingFactsSchema((sentences) => sentences.join(' '));
