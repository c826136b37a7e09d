import { supportingFactsSchema } from './supporting-facts.ts';

/** A record of HotpotQA as published, in its distractor form. Sentences bring their own spaces. */
export const hotpotqaSchema = supportingFactsSchema((sentences) => sentences.join(''));
