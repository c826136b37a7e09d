import { beforeAll, describe, expect, it, vi } from 'vitest';
import type { Message } from './chat-template.ts';
import { dataFile, dataFolder, onQwenTokenizer, withConfig, withTemplate } from './text-files.fixture.ts';
import { TextModelError } from './text-model.error.ts';
import { TextModel } from './text-model.ts';

const user = (content: string): Message => ({ role: 'user', content });
const system = (content: string): Message => ({ role: 'system', content });
const assistant = (content: string): Message => ({ role: 'assistant', content });

/** The layout of Llama 3's turns. */
const HEADERS_TEMPLATE =
  '{{ bos_token }}{% for message in messages %}<|start_header_id|>{{ message.role }}<|end_header_id|>\n\n' +
  '{{ message.content | trim }}<|eot_id|>{% endfor %}' +
  '{% if add_generation_prompt %}<|start_header_id|>assistant<|end_header_id|>\n\n{% endif %}';
const headed = (role: string, content: string): string =>
  `<|start_header_id|>${role}<|end_header_id|>\n\n${content}<|eot_id|>`;
const HEADED_ASSISTANT = '<|start_header_id|>assistant<|end_header_id|>\n\n';

interface Template {
  readonly name: string;
  readonly open: () => TextModel | Promise<TextModel>;
  /** The prompt of the question `Who?` after the system message `Be brief.`, and without one. */
  readonly prompt: string;
  readonly promptWithoutSystem: string;
  /** A past turn of the assistant, `Ada`, and a further question. */
  readonly history: string;
  /** What stands before and behind the answer where it is scored. */
  readonly before: string;
  readonly after: string;
}

const TEMPLATES: Template[] = [
  {
    name: 'Qwen2.5',
    open: () => TextModel.fromFolder(dataFolder('models/qwen2.5-0.5b-instruct')),
    prompt: '<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nWho?<|im_end|>\n<|im_start|>assistant\n',
    promptWithoutSystem:
      '<|im_start|>system\nYou are Qwen, created by Alibaba Cloud. You are a helpful assistant.<|im_end|>\n' +
      '<|im_start|>user\nWho?<|im_end|>\n<|im_start|>assistant\n',
    history:
      '<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nWho?<|im_end|>\n<|im_start|>assistant\nAda<|im_end|>\n' +
      '<|im_start|>user\nAnd?<|im_end|>\n<|im_start|>assistant\n',
    before: '',
    after: '<|im_end|>\n',
  },
  {
    name: 'SmolLM2',
    open: () => TextModel.fromFolder(dataFolder('models/smollm2-360m-instruct')),
    prompt: '<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nWho?<|im_end|>\n<|im_start|>assistant\n',
    promptWithoutSystem:
      '<|im_start|>system\nYou are a helpful AI assistant named SmolLM, trained by Hugging Face<|im_end|>\n' +
      '<|im_start|>user\nWho?<|im_end|>\n<|im_start|>assistant\n',
    history:
      '<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nWho?<|im_end|>\n<|im_start|>assistant\nAda<|im_end|>\n' +
      '<|im_start|>user\nAnd?<|im_end|>\n<|im_start|>assistant\n',
    before: '',
    after: '<|im_end|>\n',
  },
  {
    name: 'Qwen3, which thinks',
    open: () =>
      TextModel.fromFiles(
        onQwenTokenizer(dataFile('chat-templates/qwen3.jinja'), ['<think>', '</think>'], { eos_token: '<|im_end|>' }),
      ),
    prompt: '<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nWho?<|im_end|>\n<|im_start|>assistant\n',
    promptWithoutSystem: '<|im_start|>user\nWho?<|im_end|>\n<|im_start|>assistant\n',
    history:
      '<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nWho?<|im_end|>\n<|im_start|>assistant\nAda<|im_end|>\n' +
      '<|im_start|>user\nAnd?<|im_end|>\n<|im_start|>assistant\n',
    before: '<think>\n\n</think>\n\n',
    after: '<|im_end|>\n',
  },
  {
    name: 'turns with headers',
    open: () =>
      TextModel.fromFiles(
        onQwenTokenizer(
          HEADERS_TEMPLATE,
          ['<|begin_of_text|>', '<|start_header_id|>', '<|end_header_id|>', '<|eot_id|>'],
          { bos_token: '<|begin_of_text|>', eos_token: '<|eot_id|>' },
        ),
      ),
    prompt: `<|begin_of_text|>${headed('system', 'Be brief.')}${headed('user', 'Who?')}${HEADED_ASSISTANT}`,
    promptWithoutSystem: `<|begin_of_text|>${headed('user', 'Who?')}${HEADED_ASSISTANT}`,
    history:
      `<|begin_of_text|>${headed('system', 'Be brief.')}${headed('user', 'Who?')}` +
      `${headed('assistant', 'Ada')}${headed('user', 'And?')}${HEADED_ASSISTANT}`,
    before: '',
    after: '<|eot_id|>',
  },
];

describe.each(TEMPLATES)('the template of $name', ({ open, prompt, promptWithoutSystem, history, before, after }) => {
  const question = [system('Be brief.'), user('Who?')];
  let text: TextModel;
  beforeAll(async () => {
    text = await open();
  });

  it('renders as the reference does', () => {
    expect(text.renderPrompt(question)).toBe(prompt);
    expect(text.renderPrompt([user('Who?')])).toBe(promptWithoutSystem);
    expect(text.renderPrompt([...question, assistant('Ada'), user('And?')])).toBe(history);
  });

  it('takes contents as they are: braces, null characters, quotes, emoji', () => {
    const content = '{{ x }} {% if %} "q" \\n é 😀 \u2028 \0 .';
    expect(text.renderPrompt([system('Be brief.'), user(content)])).toBe(prompt.replace('Who?', content));
  });

  it('has a prompt that begins the whole, and scores all behind it: first token, end of turn, trailer', () => {
    const answer = 'Ada Lovelace, 1815';
    const response = text.responseTokens(question, answer);
    const tokens = [...text.promptTokens(question), ...response];
    expect(text.decode(tokens)).toBe(prompt + before + answer + after);
    expect([...text.encode(prompt + before + answer + after)]).toEqual(tokens);
    expect(text.decode(response)).toBe(before + answer + after);
    expect(text.decode(text.responseTail)).toBe(after);
    expect([...response.slice(-text.responseTail.length)]).toEqual([...text.responseTail]);
    expect(text.eosIds).toContain(text.responseTail[0]);
  });
});

describe('what a template may ask for', () => {
  const render = (template: string, content = 'x') =>
    TextModel.fromFiles(withTemplate(`${template}{% for m in messages %}{{ m.content }}{% endfor %}`)).renderPrompt([
      user(content),
    ]);

  it("is today's date, the same on any day", () => {
    expect(render("{{ strftime_now('%d %b %Y') }}, {{ strftime_now('%B %m') }} ")).toBe('26 Jul 2024, July 07 x');
  });

  it('is the stripping of certain characters', () => {
    const strip =
      "{{ messages[0].content.strip('\\n') }}|{{ messages[0].content.lstrip('-. ') }}|{{ 'ab '.rstrip() }}|";
    expect(render(strip, '\n -.a \n')).toBe(' -.a |\n -.a \n|ab|\n -.a \n');
    expect(render(strip, '- .a-')).toBe('- .a-|a-|ab|- .a-');
  });

  it.each([
    [{}, {}, '|<eos>||||'],
    [{ bos_token: 'a', cls_token: { __type: 'AddedToken', content: 'b' } }, {}, 'a|<eos>|b|||'],
    [{ extra_special_tokens: { image_token: 'a' }, boi_token: 'b' }, {}, '|<eos>||a|b|'],
    [{ model_specific_special_tokens: { image_token: 'a' } }, {}, '|<eos>||a||'],
    [{ model_specific_special_tokens: { image_token: 'a' }, boi_token: 'b' }, {}, '|<eos>|||b|'],
    [
      { extra_special_tokens: { image_token: 'a' } },
      { bos_token: 'b', cls_token: { content: 'a' }, x_token: 'b' },
      'b|<eos>|a|a||b',
    ],
    [{}, { bos_token: 'a', boi_token: { content: 'b' }, extra_special_tokens: { image_token: 'a' } }, 'a|<eos>||a|b|'],
    [
      { bos_token: 'a', added_tokens_decoder: { 1: { content: '<eos>', special: true } } },
      { bos_token: 'b' },
      'a|<eos>||||',
    ],
    [
      { extra_special_tokens: { image_token: 'a' }, additional_special_tokens: ['b'] },
      { extra_special_tokens: ['<x>'] },
      '|<eos>||a||',
    ],
  ])('are special tokens by name, of %j and special_tokens_map.json %j: %s', (config, map, expected) => {
    // What transformers 5.24.0 renders.
    const names = ['bos', 'eos', 'cls', 'image', 'boi', 'x'].map((name) => `{{ ${name}_token }}`).join('|');
    const chat_template = `${names}{% for m in messages %} {{ m.content }}{% endfor %}`;
    const files = withConfig({ chat_template, ...config });
    const special = Object.keys(map).length === 0 ? {} : { 'special_tokens_map.json': JSON.stringify(map) };
    const text = TextModel.fromFiles({ ...files, ...special });
    expect(text.renderPrompt([user('q')])).toBe(`${expected} q`);
  });

  it('is no more than the text of a long prompt', () => {
    const long = 'word é '.repeat(200_000);
    expect(render('', long)).toBe(long);
  });
});

describe('a hostile template', () => {
  const rounds = (change: string, use = 'ns.x', start = "'aaaaaaaaaaaaaaaa'", count = 100) =>
    `{% set ns = namespace(x=${start}) %}{% for i in range(${count}) %}{% set ns.x = ${change} %}{% endfor %}{{ ${use} }}`;
  const MEMORY = /it needs more than 24 MiB of memory/;
  const TIME = /it runs for more than 2 seconds/;
  // A busy machine meets the other limit first.
  const EITHER = new RegExp(`${MEMORY.source}|${TIME.source}`);

  it.each<[string, string, RegExp]>([
    [
      'searches long texts for long texts',
      rounds('ns.x ~ ns.x', "(ns.x ~ 'b') in (ns.x ~ ns.x)", "'aaaaaaaaaaaaaaaa'", 16),
      TIME,
    ],
    ['loops over a thousand million', '{% for i in range(1000000000) %}x{% endfor %}', /Range too big/],
    ['doubles a text', rounds('ns.x ~ ns.x'), MEMORY],
    ['doubles a list', rounds('ns.x + ns.x', 'ns.x|length', '[1, 2]'), EITHER],
    ['indents by a thousand million', '{{ messages | tojson(indent=1000000000) }}', MEMORY],
    ['multiplies a text by itself', rounds('ns.x ~ ns.x', "ns.x|replace('a', ns.x)", "'aaaa'", 16), EITHER],
    ['nests without end', `{{ ${'('.repeat(20_000)}1${')'.repeat(20_000)} }}`, /not understood \(it nests too deep\)/],
    ['renders too much', `{% for i in range(1100) %}${'a'.repeat(1000)}{% endfor %}`, /it renders more than \d+ char/],
    ['is too long', ' '.repeat(2 ** 20 + 1), /a chat template of 1048577 characters/],
    ['raises', "{{ raise_exception('no ' ~ messages[0].role) }}", /chat template failed \(no user\)/],
    ['raises much', "{{ raise_exception('no' * 9 ~ messages[0].content) }}", /chat template failed/],
    ['leaves out the question', 'x', /leaves out the user's content/],
    ['is not Jinja', '{% for %}', /chat template not understood/],
  ])('that %s is refused by name, soon, within bounds', (_, template, reason) => {
    const { rss } = process.memoryUsage();
    const usage = process.cpuUsage();
    let error: unknown;
    try {
      TextModel.fromFiles(withTemplate(template));
    } catch (caught) {
      error = caught;
    }
    const { user, system } = process.cpuUsage(usage);
    expect(user + system).toBeLessThan(5e6);
    expect(process.memoryUsage().rss - rss).toBeLessThan(200 * 2 ** 20);
    expect(error).toBeInstanceOf(TextModelError);
    expect((error as TextModelError).file).toBe('chat_template.jinja');
    expect((error as TextModelError).message).toMatch(reason);
    expect((error as TextModelError).message.length).toBeLessThan(600);
  });

  it('that waits for a certain question is stopped there, and others go on', () => {
    const endless = '{% for i in range(100000) %}{% for j in range(100000) %}{% endfor %}{% endfor %}';
    const content = '{% for m in messages %}{{ m.content }} <eos>{% endfor %}';
    const text = TextModel.fromFiles(
      withTemplate(`{% if 'now' in messages[0].content %}${endless}{% endif %}${content}`),
    );
    const other = TextModel.fromFiles(withTemplate(content));
    expect(() => text.renderPrompt([user('do it now')])).toThrow(TIME);
    expect(other.renderPrompt([user('a')])).toBe('a <eos>');
    expect(text.renderPrompt([user('a')])).toBe('a <eos>');
  });

  it('is told from one whose machine is busy: only processor time counts', () => {
    // Long enough not to be done before it is asked for.
    const long = '{% for i in range(20000) %}{% endfor %}';
    const text = TextModel.fromFiles(withTemplate(`${long}{% for m in messages %}{{ m.content }}{% endfor %}`));
    expect(text.renderPrompt([user('a')])).toBe('a');
    // As if the thread had got no processor for longer than a rendering may take.
    const wait = vi.spyOn(Atomics, 'wait').mockImplementationOnce(() => 'timed-out');
    expect(text.renderPrompt([user('b')])).toBe('b');
    expect(wait.mock.calls.length).toBeGreaterThan(1);
    wait.mockRestore();
  });

  it('cannot change what another template renders, nor reach this program', () => {
    const content = '{% for m in messages %}{{ m.content }}{% endfor %}';
    const reach = "{{ messages.constructor }}{{ ''.__class__ }}{{ messages['__proto__'] }}";
    expect(TextModel.fromFiles(withTemplate(reach + content)).renderPrompt([user('a')])).toBe('a');
    expect(() => TextModel.fromFiles(withTemplate(`{{ process.exit(1) }}${content}`))).toThrow(TextModelError);
    expect(TextModel.fromFiles(withTemplate(content)).renderPrompt([user('a')])).toBe('a');
  });
});
