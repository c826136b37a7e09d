import { pairedDifference, wilson } from './accuracy.js';

/** The context is divided into so many parts of equal length. */
export const PARTS = 5;

/**
 * Accuracy by context length and by the part of the context in which the evidence stands, before and after.
 *
 * @param {readonly { step: number | 'base', documents: number, outcomes: string }[]} evaluations
 * @param {readonly { documents: number, places: readonly number[] }[]} evidence  In the order of the outcomes.
 */
export function heatMap(evaluations, evidence) {
  const rows = evidence.map(({ documents, places }) => {
    const views = evaluations.filter((view) => view.documents === documents && view.outcomes.length === places.length);
    const base = views.find(({ step }) => step === 'base');
    const policy = views.filter(({ step }) => step !== 'base').sort((a, b) => b.step - a.step)[0];
    const cells = Array.from({ length: PARTS }, (_, part) => {
      const picked = (view) => view && [...view.outcomes].filter((_, i) => partOf(places[i]) === part).join('');
      const [before, after] = [picked(base), picked(policy)];
      return {
        before: shareOf(before),
        after: shareOf(after),
        difference: before && after ? pairedDifference(after, before) : null,
      };
    });
    return { documents, cells };
  });
  return rows.filter(({ cells }) => cells.some(({ before, after }) => before !== null || after !== null));
}

export const partOf = (place) => Math.min(PARTS - 1, Math.floor(place * PARTS));

/** `first fifth`, ... */
export const PART_NAMES = ['0–20 %', '20–40 %', '40–60 %', '60–80 %', '80–100 %'];

function shareOf(outcomes) {
  if (!outcomes) return null;
  return { ...wilson(outcomes.replaceAll('0', '').length, outcomes.length), n: outcomes.length };
}
