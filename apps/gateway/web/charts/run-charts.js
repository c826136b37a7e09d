/** The charts of a run's page. A line whose metric a run does not report is left out. */

export const STEP_CHARTS = [
  {
    title: 'Loss',
    hint: 'The objective, and what it adds up',
    lines: [
      { metric: 'loss', label: 'total', colour: '--ink' },
      { metric: 'solo/loss_po', label: 'preference', colour: '--short' },
      { metric: 'solo/loss_ra', label: 'alignment', colour: '--long' },
      { metric: 'nll_loss', label: 'likelihood', colour: '--base', dash: true },
    ],
  },
  {
    title: 'Reward margin',
    hint: 'Chosen minus rejected: should grow',
    lines: [
      { metric: 'rewards/margins', label: 'margin', colour: '--ink' },
      { metric: 'rewards/chosen', label: 'chosen', colour: '--chosen', quiet: true },
      { metric: 'rewards/rejected', label: 'rejected', colour: '--rejected', quiet: true },
    ],
  },
  {
    title: 'Reward accuracy',
    hint: 'Share of pairs whose chosen answer is preferred',
    range: [0, 1.02],
    lines: [{ metric: 'rewards/accuracies', label: 'accuracy', colour: '--short' }],
  },
  {
    title: 'Short-to-long gap',
    hint: 'Reward of the chosen answer, short minus long: should fall',
    lines: [
      { metric: 'solo/gap_abs', label: '|gap|', colour: '--long' },
      { metric: 'solo/gap_signed', label: 'signed', colour: '--base', dash: true },
    ],
  },
  {
    title: 'Log-probability',
    hint: 'Of both answers: the chosen one should not fall with the rejected one',
    lines: [
      { metric: 'logps/chosen', label: 'chosen', colour: '--chosen' },
      { metric: 'logps/rejected', label: 'rejected', colour: '--rejected' },
    ],
  },
  {
    title: 'Gradient norm',
    hint: 'Before clipping',
    lines: [{ metric: 'grad_norm', label: 'norm', colour: '--ink' }],
  },
  {
    title: 'Learning rate',
    hint: 'As scheduled',
    lines: [{ metric: 'learning_rate', label: 'rate', colour: '--ink' }],
  },
];

export const HELD_OUT_CHARTS = [
  {
    title: 'Margin, short and long',
    hint: 'Both should grow together',
    lines: [
      { metric: 'solo/margin_short', label: 'short', colour: '--short' },
      { metric: 'solo/margin_long', label: 'long', colour: '--long' },
    ],
  },
  {
    title: 'Accuracy, short and long',
    hint: 'Share of pairs whose chosen answer is preferred',
    range: [0, 1.02],
    lines: [
      { metric: 'solo/accuracy_short', label: 'short', colour: '--short' },
      { metric: 'solo/accuracy_long', label: 'long', colour: '--long' },
    ],
  },
  {
    title: 'Short-to-long gap',
    hint: 'Mean, and the worst twentieth',
    lines: [
      { metric: 'solo/gap_abs', label: '|gap|', colour: '--long' },
      { metric: 'solo/gap_p95', label: '95th percentile', colour: '--base', dash: true },
    ],
  },
  {
    title: 'Log-probability per token',
    hint: 'Of the chosen answer: the gap should fall, the short one should not',
    lines: [
      { metric: 'solo/logp_gap_per_token', label: 'gap', colour: '--long' },
      { metric: 'solo/logp_short_per_token', label: 'short', colour: '--short' },
    ],
  },
];

export const SPEED_CHARTS = [
  {
    title: 'Tokens per second',
    hint: 'Of the policy, by slice: loading and checkpoint too',
    lines: [{ metric: 'tokens_per_second', label: 'tokens/s', colour: '--policy' }],
  },
];

export const PHASE_CHARTS = [
  {
    title: 'Step time by phase',
    hint: 'Seconds, one on the other; loading and checkpoint count to the first and the last step of a slice',
    stacked: true,
    lines: [
      { metric: 'forward', label: 'forward', colour: '--phase-1' },
      { metric: 'loss', label: 'loss', colour: '--phase-2' },
      { metric: 'backward', label: 'backward', colour: '--phase-3' },
      { metric: 'optimizer', label: 'optimizer', colour: '--phase-4' },
      { metric: 'data', label: 'data', colour: '--phase-5' },
      { metric: 'reference', label: 'reference', colour: '--phase-6' },
      { metric: 'load', label: 'load', colour: '--phase-7' },
      { metric: 'checkpoint', label: 'checkpoint', colour: '--phase-8' },
    ],
  },
];
