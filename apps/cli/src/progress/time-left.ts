/** `40 s`, `3 min`, `2 h 5 min`: as exact as an estimate is. */
export function timeText(seconds: number): string {
  const whole = Math.ceil(seconds);
  if (whole < 60) return `${whole} s`;
  const minutes = Math.round(whole / 60);
  if (minutes < 60) return `${minutes} min`;
  return `${Math.floor(minutes / 60)} h${minutes % 60 === 0 ? '' : ` ${minutes % 60} min`}`;
}

/** What a worker does, and how long it still takes; an estimate that nobody can make is not made up. */
export function leftText({
  phase,
  secondsLeft,
}: {
  readonly phase: string | null;
  readonly secondsLeft: number | null;
}): string {
  const left = secondsLeft === null ? 'time left unknown' : `${timeText(secondsLeft)} left`;
  return phase === 'loading' ? `loading, ${left}` : left;
}
