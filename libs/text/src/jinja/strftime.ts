import { NotRendered } from './faults.ts';

/**
 * The day on which every template is rendered, at midnight: 26 July 2024, a Friday, the 208th day of its year. Templates
 * that print today's date find the same one on any day, so that equal inputs give equal prompts.
 */
const CODES: Readonly<Record<string, string>> = {
  a: 'Fri',
  A: 'Friday',
  b: 'Jul',
  B: 'July',
  c: 'Fri Jul 26 00:00:00 2024',
  C: '20',
  d: '26',
  D: '07/26/24',
  e: '26',
  f: '000000',
  F: '2024-07-26',
  g: '24',
  G: '2024',
  h: 'Jul',
  H: '00',
  I: '12',
  j: '208',
  k: ' 0',
  l: '12',
  m: '07',
  M: '00',
  n: '\n',
  p: 'AM',
  P: 'am',
  r: '12:00:00 AM',
  R: '00:00',
  S: '00',
  t: '\t',
  T: '00:00:00',
  u: '5',
  U: '29',
  V: '30',
  w: '5',
  W: '30',
  x: '07/26/24',
  X: '00:00:00',
  y: '24',
  Y: '2024',
  z: '',
  Z: '',
  '%': '%',
};

/** Numbers that glibc's `-` leaves without the zeros, or blanks, in front. */
const UNPADDED = 'CdegGHIjklmMSuUVwWyY';

/** `datetime.now().strftime(format)` of Python with glibc in the C locale, on that day. */
export function strftime(format: string): string {
  return format.replace(/%(-?)([^])?/gu, (whole: string, flag: string, code: string | undefined) => {
    const text = code === undefined ? undefined : CODES[code];
    if (code === undefined || text === undefined) throw new NotRendered(`the date format ${whole}`);
    if (flag === '') return text;
    if (!UNPADDED.includes(code)) throw new NotRendered(`the date format ${whole}`);
    return text.replace(/^[0 ]+(?=\d)/, '');
  });
}
