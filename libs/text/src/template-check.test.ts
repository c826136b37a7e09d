import { describe, expect, it } from 'vitest';
import { checkTemplate, type Finding } from './template-check.ts';
import { smallFiles, withConfig, withTemplate } from './text-files.fixture.ts';
import type { TextFiles } from './text-files.ts';
import { TextModel } from './text-model.ts';

const TURNS = "{% for m in messages %}{{ '<' + m.role + '> ' + m.content + ' <eos> ' }}{% endfor %}";
const GENERATION = "{% if add_generation_prompt %}{{ '<assistant> ' }}{% endif %}";

function found(files: TextFiles): Record<string, Finding> {
  return Object.fromEntries(checkTemplate(TextModel.fromFiles(files)).map((each) => [each.name, each]));
}
const states = (files: TextFiles) =>
  Object.fromEntries(Object.values(found(files)).map(({ name, state }) => [name, state]));

/** The small tokenizer, which puts <eos> before a text when it is asked for special tokens. */
function withBeginning(template: string): TextFiles {
  const files = withConfig({ bos_token: '<eos>' });
  const beginning = {
    type: 'TemplateProcessing',
    single: [{ SpecialToken: { id: '<eos>', type_id: 0 } }, { Sequence: { id: 'A', type_id: 0 } }],
    pair: [{ Sequence: { id: 'A', type_id: 0 } }, { Sequence: { id: 'B', type_id: 1 } }],
    special_tokens: { '<eos>': { id: '<eos>', ids: [1], tokens: ['<eos>'] } },
  };
  const tokenizer = JSON.parse(files['tokenizer.json']!) as Record<string, unknown>;
  return {
    ...files,
    'tokenizer.json': JSON.stringify({ ...tokenizer, post_processor: beginning }),
    'chat_template.jinja': template,
  };
}

describe('a chat template', () => {
  it('that goes round is said to', () => {
    expect(states(withTemplate(TURNS + GENERATION))).toEqual({
      'prompt and answer': 'ok',
      'end of turn': 'ok',
      'ids at the border': 'ok',
      'several turns': 'ok',
      beginning: 'ok',
      'system message': 'ok',
      'white space': 'ok',
    });
  });

  it('whose turns do not end generation is warned of', () => {
    const { 'end of turn': end } = found(withTemplate("{% for m in messages %}{{ m.content + ' b ' }}{% endfor %}"));
    expect(end).toMatchObject({
      state: 'warning',
      detail: expect.stringMatching(/puts .*"b" \(3\).*run on.*eos_token_id/) as string,
    });
  });

  it('that puts something between prompt and answer says what', () => {
    const thinking =
      "{% for m in messages %}{{ '<' + m.role + '> ' + ('a b ' if m.role == 'assistant' else '') + m.content + ' <eos> ' }}{% endfor %}";
    expect(found(withTemplate(thinking + GENERATION))['prompt and answer']).toMatchObject({
      state: 'note',
      detail: expect.stringContaining('puts "a b " between prompt and answer') as string,
    });
  });

  it('that renders past answers otherwise is noted', () => {
    const other = "{% for m in messages %}{{ m.role[:1] + ' ' + m.content + ' <eos> ' }}{% endfor %}";
    expect(states(withTemplate(other + GENERATION))['prompt and answer']).toBe('note');
  });

  it('that leaves the system message out is warned of; one that refuses it is noted with its reason', () => {
    const silent = "{% for m in messages if m.role != 'system' %}{{ m.content + ' <eos> ' }}{% endfor %}";
    expect(states(withTemplate(silent))['system message']).toBe('warning');
    const refusing = `{% if messages[0].role == 'system' %}{{ raise_exception('no system role') }}{% endif %}${TURNS}`;
    expect(found(withTemplate(refusing))['system message']).toMatchObject({
      state: 'note',
      detail: expect.stringContaining('no system role') as string,
    });
  });

  it('and a tokenizer that both write the beginning are noted, and that neither does is warned of', () => {
    const twice = found(withBeginning(`{{ bos_token + ' ' }}${TURNS}`))['beginning'];
    expect(twice).toMatchObject({
      state: 'note',
      detail: expect.stringMatching(/"<eos>" \(1\).*add_special_tokens=False/) as string,
    });
    expect(found(withBeginning(TURNS))['beginning']).toMatchObject({
      state: 'warning',
      detail: expect.stringMatching(/adds "<eos>" \(1\).*writes none/) as string,
    });
  });

  it('that trims contents is noted', () => {
    const trims = "{% for m in messages %}{{ m.content | trim }}{{ ' <eos> ' }}{% endfor %}";
    expect(states(withTemplate(trims))['white space']).toBe('note');
  });

  it('is the small one of other tests', () => {
    expect(Object.values(states(smallFiles()))).not.toContain('warning');
  });
});
