import type { Random } from '@solopo/random';
import { ADJECTIVES, CODE_WORDS, NAMES, NOUNS } from './vocabulary.ts';

/** The code of somebody or something. Its two words differ. */
export interface Fact {
  readonly name: string;
  readonly code: string;
}

const FILLER_PROBABILITY = 0.4;

/** Facts about distinct names. */
export function drawFacts(random: Random, count: number): Fact[] {
  return random.sample(NAMES, count).map((name) => ({ name, code: random.sample(CODE_WORDS, 2).join(' ') }));
}

/** A fact in one of three wordings, two times in five with a sentence beside it that says nothing of codes. */
export function documentText(random: Random, { name, code }: Fact): string {
  const fact = random.pick([
    `the code of ${name} is ${code} .`,
    `records show that ${name} is ${code} .`,
    `the person ${name} is ${code} .`,
  ]);
  if (!random.chance(FILLER_PROBABILITY)) return fact;
  const filler = fillerText(random);
  return random.chance(0.5) ? `${filler} ${fact}` : `${fact} ${filler}`;
}

/** Repeating `<name> is` lets the answer's position see the name one token back, exactly as in the documents. */
export function questionText(name: string): string {
  return `what is the code of ${name} ? answer : ${name} is`;
}

function fillerText(random: Random): string {
  const noun = () => random.pick(NOUNS);
  const adjective = () => random.pick(ADJECTIVES);
  switch (random.below(3)) {
    case 0:
      return `the ${adjective()} ${noun()} was near the ${noun()} .`;
    case 1:
      return `the ${noun()} opened on a ${adjective()} day .`;
    default:
      return `a ${noun()} and a ${noun()} closed .`;
  }
}
