import { asCount, asFill, asOptionalText, asText, bound } from './arguments.ts';
import { braceFormatted } from './brace-format.ts';
import { JinjaError, NotRendered } from './faults.ts';
import { iterate, truthy } from './operators.ts';
import { isPrintable } from './printing.ts';
import * as text from './text.ts';
import type { Arguments, Value } from './values.ts';
import { Dict, Markup, Tuple, typeName } from './values.ts';

type Method = (self: string, given: Arguments) => Value;

/** Methods whose parameters have no names. */
function places(
  name: string,
  fewest: number,
  most: number,
  method: (self: string, ...values: Value[]) => Value,
): Method {
  return (self, { positional, named }) => {
    if (named.size > 0) throw new JinjaError(`str.${name}() takes no keyword arguments`);
    if (positional.length < fewest || positional.length > most) {
      throw new JinjaError(`str.${name}() takes ${fewest} to ${most} arguments, not ${positional.length}`);
    }
    return method(self, ...positional);
  };
}

function stripping(name: string, sides: 'both' | 'left' | 'right'): Method {
  return places(name, 0, 1, (self, characters = null) =>
    text.strip(self, asOptionalText(characters, `${name} arg`), sides),
  );
}

function splitting(name: 'split' | 'rsplit'): Method {
  return (self, given) => {
    const [separator = null, most = -1n] = bound(name, given, [
      ['sep', null],
      ['maxsplit', -1n],
    ]);
    const count = asCount(most, 'maxsplit');
    const limit = count < 0 ? Infinity : count;
    const by = asOptionalText(separator, 'the separator');
    if (by === '') throw new JinjaError('empty separator');
    if (by === undefined) return name === 'split' ? text.words(self, limit) : text.wordsFromRight(self, limit);
    return name === 'split' ? text.parted(self, by, limit) : text.partedFromRight(self, by, limit);
  };
}

/** `self` within `[start, end)`, and where that begins. */
function within(
  self: string,
  start: Value,
  end: Value,
): { readonly part: string; readonly offset: number; readonly isEmpty: boolean } {
  if (start === null && end === null) return { part: self, offset: 0, isEmpty: false };
  const bounds = (value: Value): number | undefined => (value === null ? undefined : asCount(value, 'slice indices'));
  const slice = { start: bounds(start), stop: bounds(end), step: 1 };
  const { from, to } = text.sliceIndices(slice, text.lengthOf(self));
  const isBeyond = (slice.start ?? 0) > text.lengthOf(self);
  return { part: text.sliceText(self, slice), offset: from, isEmpty: from > to || isBeyond };
}

function finding(name: 'find' | 'rfind' | 'index' | 'rindex'): Method {
  return places(name, 1, 3, (self, wanted = null, start = null, end = null) => {
    const { part, offset, isEmpty } = within(self, start, end);
    const sought = asText(wanted, `${name} arg`);
    const unit = isEmpty ? -1 : name.startsWith('r') ? part.lastIndexOf(sought) : part.indexOf(sought);
    if (unit < 0 && name.endsWith('index')) throw new JinjaError('substring not found');
    return unit < 0 ? -1n : BigInt(offset + text.lengthOf(part.slice(0, unit)));
  });
}

function edge(name: 'startswith' | 'endswith'): Method {
  return places(name, 1, 3, (self, wanted = null, start = null, end = null) => {
    const { part, isEmpty } = within(self, start, end);
    const candidates = wanted instanceof Tuple ? wanted.items : [wanted];
    const texts = candidates.map((item) => asText(item, `${name} first arg`));
    if (isEmpty) return false;
    return texts.some((candidate) => (name === 'startswith' ? part.startsWith(candidate) : part.endsWith(candidate)));
  });
}

function justifying(name: string, justify: (self: string, width: number, fill: string) => string): Method {
  return places(name, 1, 2, (self, width = 0n, fill = ' ') => justify(self, asCount(width, 'the width'), asFill(fill)));
}

function partition(name: 'partition' | 'rpartition'): Method {
  return places(name, 1, 1, (self, separator = null) => {
    const by = asText(separator, 'the separator');
    if (by === '') throw new JinjaError('empty separator');
    const [first = '', second] = name === 'partition' ? text.parted(self, by, 1) : text.partedFromRight(self, by, 1);
    if (second !== undefined) return new Tuple([first, by, second]);
    return new Tuple(name === 'partition' ? [self, '', ''] : ['', '', self]);
  });
}

/** Whether all characters are of a kind, of which there is at least one. */
function every(name: string, kind: RegExp, unknown?: RegExp): Method {
  return places(name, 0, 0, (self) => {
    if (self === '') return false;
    return [...self].every((character) => {
      if (unknown?.test(character)) throw new NotRendered(`.${name} of ${character}`);
      return kind.test(character);
    });
  });
}

function plain(name: string, method: (self: string) => Value): Method {
  return places(name, 0, 0, method);
}

function swapped(self: string): string {
  if (/\u03a3/.test(self)) throw new NotRendered('.swapcase of \u03a3');
  return [...self]
    .map((character) =>
      /\p{Uppercase}/u.test(character)
        ? character.toLowerCase()
        : /\p{Lowercase}/u.test(character)
          ? character.toUpperCase()
          : character,
    )
    .join('');
}

function expanded(self: string, size: number): string {
  let column = 0;
  let result = '';
  for (const character of self) {
    if (character === '\t') {
      const width = size > 0 ? size - (column % size) : 0;
      result += ' '.repeat(width);
      column += width;
    } else {
      result += character;
      column = character === '\n' || character === '\r' ? 0 : column + 1;
    }
  }
  return result;
}

function zeroFilled(self: string, width: number): string {
  const zeros = '0'.repeat(Math.max(0, width - text.lengthOf(self)));
  return /^[+-]/.test(self) ? self.slice(0, 1) + zeros + self.slice(1) : zeros + self;
}

const METHODS: Readonly<Record<string, Method>> = {
  capitalize: plain('capitalize', text.capitalized),
  casefold: plain('casefold', (self) => {
    if (/[^\0-\x7f]/.test(self)) throw new NotRendered('.casefold of other letters than a to z');
    return self.toLowerCase();
  }),
  center: justifying('center', text.centered),
  count: places('count', 1, 3, (self, wanted = null, start = null, end = null) => {
    const { part, isEmpty } = within(self, start, end);
    return isEmpty ? 0n : BigInt(text.countOf(part, asText(wanted, 'count arg')));
  }),
  endswith: edge('endswith'),
  expandtabs: (self, given) => {
    const [size = 8n] = bound('expandtabs', given, [['tabsize', 8n]]);
    return expanded(self, asCount(size, 'tabsize'));
  },
  find: finding('find'),
  format: braceFormatted,
  format_map: places('format_map', 1, 1, (self, mapping = null) => {
    if (!(mapping instanceof Dict)) throw new NotRendered(`.format_map with a ${typeName(mapping)}`);
    const named = [...mapping.entries()].flatMap(([key, value]) =>
      typeof key === 'string' ? [[key, value] as const] : [],
    );
    return braceFormatted(self, { positional: [], named: new Map(named) });
  }),
  index: finding('index'),
  isalnum: every('isalnum', /[\p{L}\p{N}]/u),
  isalpha: every('isalpha', /\p{L}/u),
  isascii: plain('isascii', (self) => !/[^\0-\x7f]/.test(self)),
  isdecimal: every('isdecimal', /\p{Nd}/u),
  isdigit: every('isdigit', /\p{Nd}/u, /\p{No}/u),
  isidentifier: plain('isidentifier', (self) => /^[\p{XID_Start}_]\p{XID_Continue}*$/u.test(self)),
  islower: plain('islower', (self) => text.isCased(self, 'lower')),
  isnumeric: every('isnumeric', /\p{N}/u, /\p{Script=Han}/u),
  isprintable: plain('isprintable', isPrintable),
  isspace: plain('isspace', (self) => self !== '' && [...self].every(text.isSpace)),
  istitle: plain('istitle', text.isTitle),
  isupper: plain('isupper', (self) => text.isCased(self, 'upper')),
  join: places('join', 1, 1, (self, items = null) => {
    const texts = [...iterate(items)].map((item) => {
      if (item instanceof Markup) throw new NotRendered('.join with a text marked as safe');
      return asText(item, 'sequence item');
    });
    return texts.join(self);
  }),
  ljust: justifying('ljust', (self, width, fill) => self + fill.repeat(Math.max(0, width - text.lengthOf(self)))),
  lower: plain('lower', text.lowered),
  lstrip: stripping('lstrip', 'left'),
  partition: partition('partition'),
  removeprefix: places('removeprefix', 1, 1, (self, prefix = null) => {
    const part = asText(prefix, 'removeprefix arg');
    return self.startsWith(part) ? self.slice(part.length) : self;
  }),
  removesuffix: places('removesuffix', 1, 1, (self, suffix = null) => {
    const part = asText(suffix, 'removesuffix arg');
    return part !== '' && self.endsWith(part) ? self.slice(0, -part.length) : self;
  }),
  replace: places('replace', 2, 3, (self, old = null, by = null, most = -1n) =>
    text.replaced(self, asText(old, 'replace arg 1'), asText(by, 'replace arg 2'), asCount(most, 'replace arg 3')),
  ),
  rfind: finding('rfind'),
  rindex: finding('rindex'),
  rjust: justifying('rjust', (self, width, fill) => fill.repeat(Math.max(0, width - text.lengthOf(self))) + self),
  rpartition: partition('rpartition'),
  rsplit: splitting('rsplit'),
  rstrip: stripping('rstrip', 'right'),
  split: splitting('split'),
  splitlines: (self, given) => {
    const [keepEnds = false] = bound('splitlines', given, [['keepends', false]]);
    return text.lines(self, truthy(keepEnds));
  },
  startswith: edge('startswith'),
  strip: stripping('strip', 'both'),
  swapcase: plain('swapcase', swapped),
  title: plain('title', text.titleOf),
  upper: plain('upper', (self) => self.toUpperCase()),
  zfill: places('zfill', 1, 1, (self, width = 0n) => zeroFilled(self, asCount(width, 'the width'))),
};

export function stringMethod(self: string, name: string): ((given: Arguments) => Value) | undefined {
  const method = Object.hasOwn(METHODS, name) ? METHODS[name] : undefined;
  return method && ((given) => method(self, given));
}
