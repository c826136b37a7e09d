const LENGTH = 200;
/** Of a message: the end says what to do next. */
const MESSAGE = { beginning: 1500, end: 400 };

/** A value out of somebody's file as a message tells it: its JSON, as much as is enough to find it there. */
export function inShort(value: unknown, length = LENGTH): string {
  const json = String(JSON.stringify(value));
  return json.length <= length ? json : `${json.slice(0, length).toWellFormed()}...`;
}

/** A message that quotes names and texts of somebody's file, however long these are: without its middle. */
export function readable(message: string): string {
  const { beginning, end } = MESSAGE;
  if (message.length <= beginning + end) return message;
  return `${message.slice(0, beginning)} ... ${message.slice(-end)}`.toWellFormed();
}
