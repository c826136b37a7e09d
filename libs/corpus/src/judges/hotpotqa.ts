import { normalizeCase } from '../normalize.ts';

/** Unicode's punctuation, and the ASCII signs that Python's `string.punctuation` counts as such. */
const PUNCTUATION = /[\p{P}$+<=>^`|~]/gu;
const ARTICLE = /(?<![\p{L}\p{M}\p{N}])(?:a|an|the)(?![\p{L}\p{M}\p{N}])/gu;

/** What stands where punctuation stood: nothing, as HotpotQA has it (U.S. is us), or a space (1990–95 is 1990 95). */
type Mark = '' | ' ';

/** How a text is compared with an answer. */
export type Form = (text: string, mark?: Mark) => string;

/**
 * `normalize_answer` of HotpotQA's evaluation (hotpot_evaluate_v1.py, after SQuAD's): lower case, no punctuation, no
 * articles, single spaces. There punctuation is ASCII's; here it is that of every script.
 */
export const hotpotqa: Form = (text, mark) => spaced(withoutPunctuation(text, mark).replace(ARTICLE, ' '));

const withoutPunctuation: Form = (text, mark = '') => spaced(normalizeCase(text).replace(PUNCTUATION, mark));

/** The answers "The Who", "A" and "C++" are more than what is left of "A" and "+": those are compared by the first form that leaves something. */
export function formOf(answer: string): Form | undefined {
  return [hotpotqa, withoutPunctuation, normalizeCase].find((form) => form(answer) !== '');
}

function spaced(text: string): string {
  return text.replace(/\s+/gu, ' ').trim();
}
