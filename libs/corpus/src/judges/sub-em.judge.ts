import { normalizeCase } from '../normalize.ts';
import { formOf, hotpotqa } from './hotpotqa.ts';
import { hasWords } from './whole-words.ts';

/**
 * Right when any of the answers stands in the text in whole words, but for what HotpotQA's normalisation leaves out. Of
 * yes and no, the first that the text has is what it answers: "Yes, no doubt" is no "no".
 */
export function subEm(text: string, answers: readonly string[]): boolean {
  return answers.some((answer) => {
    const form = formOf(answer);
    if (form === undefined) return false;
    const wanted = form(answer);
    if (isPolar(wanted)) return hotpotqa(text, ' ').split(' ').find(isPolar) === wanted;
    return hasWords(form(text), wanted) || hasWords(form(text, ' '), form(answer, ' '));
  });
}

/** Right when any of the answers' characters stand in the text, whatever their case. */
export function subEmCharacters(text: string, answers: readonly string[]): boolean {
  const given = normalizeCase(text);
  return answers.map(normalizeCase).some((answer) => answer !== '' && given.includes(answer));
}

function isPolar(word: string): boolean {
  return word === 'yes' || word === 'no';
}
