const LOCALE = 'en';
const grouped = new Intl.NumberFormat(LOCALE);
const compact = new Intl.NumberFormat(LOCALE, { notation: 'compact', maximumSignificantDigits: 3 });
const three = new Intl.NumberFormat(LOCALE, { maximumSignificantDigits: 3 });
const moment = new Intl.DateTimeFormat(LOCALE, { dateStyle: 'medium', timeStyle: 'short' });

export const NONE = '–';
const MINUS = '\u2212';

export const whole = (value) => (value === null || value === undefined ? NONE : grouped.format(value));

/** 92,840 -> 92.8K */
export const short = (value) => (value === null || value === undefined ? NONE : compact.format(value));

/** A metric: four decimals, or three significant digits where those say nothing. */
export function metric(value) {
  if (value === null || value === undefined || !Number.isFinite(value)) return NONE;
  const size = Math.abs(value);
  const text =
    size !== 0 && (size < 0.001 || size >= 10_000) ? value.toExponential(2) : value.toFixed(size < 10 ? 4 : 2);
  return text.replaceAll('-', MINUS);
}

export const percent = (share, digits = 1) => `${(100 * share).toFixed(digits)} %`;

/** A difference in percentage points, with its sign. */
export function points(share) {
  const text = (100 * share).toFixed(1);
  if (text === '-0.0' || text === '0.0') return '0.0';
  return share > 0 ? `+${text}` : text.replace('-', MINUS);
}

/** 3725 s -> 1 h 2 min */
export function duration(seconds) {
  if (seconds === null || seconds === undefined || !Number.isFinite(seconds)) return NONE;
  if (seconds < 1) return '< 1 s';
  if (seconds < 10) return `${seconds.toFixed(1)} s`;
  const s = Math.round(seconds);
  if (s < 60) return `${s} s`;
  if (s < 3600) return `${Math.floor(s / 60)} min ${s % 60 > 0 && s < 600 ? `${s % 60} s` : ''}`.trim();
  const hours = Math.floor(s / 3600);
  if (hours < 48) return `${hours} h ${Math.floor((s % 3600) / 60)} min`;
  return `${Math.floor(hours / 24)} d ${hours % 24} h`;
}

export const rate = (perSecond, unit) => {
  if (perSecond === null || !Number.isFinite(perSecond) || perSecond <= 0) return NONE;
  if (perSecond >= 1) return `${perSecond >= 1000 ? compact.format(perSecond) : three.format(perSecond)} ${unit}/s`;
  if (perSecond * 60 >= 1) return `${three.format(perSecond * 60)} ${unit}/min`;
  return `${three.format(perSecond * 3600)} ${unit}/h`;
};

export const when = (iso) => (iso === null ? NONE : moment.format(new Date(iso)));

export function ago(iso, now = Date.now()) {
  const seconds = Math.max(0, (now - Date.parse(iso)) / 1000);
  if (seconds < 45) return 'just now';
  if (seconds < 3600) return `${Math.round(seconds / 60)} min ago`;
  if (seconds < 86_400) return `${Math.round(seconds / 3600)} h ago`;
  return when(iso);
}

export const digest = (hex) => hex.slice(0, 12);

/** `pairsPerStep` -> pairs per step */
export const words = (key) => key.replace(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`);
