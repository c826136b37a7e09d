/** A measured figure; `goal` is { atLeast } or { atMost }, or nothing. */
export function figure(name, value, unit, { atLeast = null, atMost = null } = {}) {
  const rounded = Number(value.toPrecision(3));
  const reached = atLeast !== null ? value >= atLeast : atMost !== null ? value <= atMost : null;
  return { name, value: rounded, unit, goal: atLeast ?? atMost, reached };
}

/** A goal that nothing was measured for, with the reason. */
export const notMeasured = (name, reason) => ({
  name: `${name}: ${reason}`,
  value: null,
  unit: '',
  goal: null,
  reached: null,
});

export const gib = (bytes) => bytes / 2 ** 30;
export const NO_PEERS = 'not measured, without PyTorch (tools/peers/run makes its environment; --peers asks for it)';
