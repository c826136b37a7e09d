import type { MadeUp } from '../../testing/finish-run.fixture.ts';

const fall = (step: number): number => Math.exp(-step / 12);
/** Between -1 and 1, as if by chance, and always the same. */
const noise = (n: number): number => 2 * ((Math.sin(12.9898 * n) * 43758.5453) % 1);

/** Figures of a run that learns. */
export const LEARNING: Required<Pick<MadeUp, 'step' | 'phases' | 'version' | 'answer'>> = {
  step: (step) => ({
    loss: 0.3 + 1.2 * fall(step) + 0.06 * noise(step),
    'solo/loss_po': 0.2 + 0.5 * fall(step),
    'solo/loss_ra': 0.1 + 0.7 * fall(step) + 0.06 * noise(step),
    'rewards/margins': 1.8 * (1 - fall(step)) + 0.1 * noise(step + 0.3),
    'rewards/chosen': 0.4 * (1 - fall(step)),
    'rewards/rejected': -1.4 * (1 - fall(step)),
    'rewards/accuracies': Math.min(1, 0.55 + 0.42 * (1 - fall(step))),
    'solo/gap_abs': 0.15 + 0.7 * fall(step) + 0.05 * noise(step + 0.7),
    'solo/gap_signed': 0.1 + 0.65 * fall(step),
    grad_norm: 6 + 5 * fall(step) + noise(step),
    learning_rate: 5e-4 * Math.max(0.1, Math.cos(step / 30)),
  }),
  phases: (step) => ({
    forward: 0.4 + 0.05 * noise(step),
    loss: 0.02,
    backward: 0.9 + 0.1 * noise(step + 0.2),
    optimizer: 0.2,
    data: 0.05,
    ...(step % 4 === 1 ? { load: 0.3, reference: 0.1 } : {}),
    ...(step % 4 === 0 ? { checkpoint: 0.4 } : {}),
  }),
  version: (step) => ({
    'solo/margin_short': 1.7 * (1 - fall(step)),
    'solo/margin_long': 1.5 * (1 - fall(step)),
    'solo/accuracy_short': 0.5 + 0.45 * (1 - fall(step)),
    'solo/accuracy_long': 0.5 + 0.4 * (1 - fall(step)),
    'solo/gap_abs': 0.3 + 0.6 * fall(step),
    'solo/gap_p95': 0.9 + 1.5 * fall(step),
    'solo/logp_gap_per_token': 0.2 + 0.4 * fall(step),
    'solo/logp_short_per_token': -0.1 - 0.1 * fall(step),
  }),
  answer: ({ policy, model, documents }, question) => {
    const share = policy === model ? 1 - documents / 16 : 1 - documents / 40;
    return (noise(question) + 2) / 4 < share;
  },
};
