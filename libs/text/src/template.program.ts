/**
 * Templates that print today's date find the same one on any day, so that equal inputs give equal prompts. The machine
 * has no `Intl` of its own.
 */
const CLOCK = `
Date = class extends Date { constructor() { super(2024, 6, 26); } };
Intl = { DateTimeFormat: function (locale, { month }) { return { format: () => (month === 'long' ? 'July' : 'Jul') }; } };
`;

/** The library's strip, lstrip and rstrip leave out their argument, the characters to strip (Qwen3: '\n' alone). */
const STRIP = `
{
  const sample = new module.exports.Environment();
  sample.set('text', '');
  const { prototype } = sample.lookupVariable('text').constructor;
  const { get } = Object.getOwnPropertyDescriptor(prototype, 'builtins');
  const sides = { strip: [true, true], lstrip: [true, false], rstrip: [false, true] };
  Object.defineProperty(prototype, 'builtins', {
    get() {
      if (this._builtins) return this._builtins;
      const builtins = get.call(this);
      for (const [name, [left, right]] of Object.entries(sides)) {
        const method = builtins.get(name);
        const { value: trim } = method;
        method.value = ([characters, ...more], scope) => {
          if (characters?.type !== 'StringValue') return trim([characters, ...more], scope);
          const text = [...this.value];
          let start = 0;
          let end = text.length;
          while (left && start < end && characters.value.includes(text[start])) start += 1;
          while (right && end > start && characters.value.includes(text[end - 1])) end -= 1;
          return new this.constructor(text.slice(start, end).join(''));
        };
      }
      return builtins;
    },
  });
}
`;

const RENDER = `
let template;
function open(source) { template = new module.exports.Template(JSON.parse(source)); return 'null'; }
function render(variables, longest) {
  const text = template.render(JSON.parse(variables));
  if (text.length > longest) throw new Error('it renders more than ' + longest + ' characters');
  return JSON.stringify(text);
}
`;

/**
 * The JavaScript of a template machine around the Jinja library. Its `open(source)` and `render(variables, longest)`
 * take and give JSON.
 */
export function templateProgram(jinja: string): string {
  return `${CLOCK} var module = { exports: {} }; (() => { ${jinja}\n})(); ${STRIP} ${RENDER}`;
}
