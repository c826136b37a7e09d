import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { sha256 } from '@solopo/contracts';
import { tinyGguf } from '@solopo/testing';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ran } from '../command-line/terminal.fixture.ts';
import type { Generated } from '../generate/generate.ts';

let folder: string;
const path = (name: string): string => join(folder, name);
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'solopo-convert-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

describe('a GGUF file', () => {
  it('becomes a Hugging Face folder that says what it was made of, and generates', async () => {
    writeFileSync(path('tiny.gguf'), tinyGguf());
    const { code, out, err } = await ran(['convert', 'gguf', path('tiny.gguf'), '--out', path('tiny')]);
    expect([code, err]).toEqual([0, '']);
    expect(out).toContain('dequantised from GGUF Q8_0');
    expect(readdirSync(path('tiny')).sort()).toEqual([
      'config.json',
      'generation_config.json',
      'model.safetensors',
      'tokenizer.json',
      'tokenizer_config.json',
    ]);
    expect(JSON.parse(readFileSync(path('tiny/config.json'), 'utf8'))).toMatchObject({
      model_type: 'llama',
      tie_word_embeddings: true,
      source: { format: 'gguf', file_type: 'Q8_0', sha256: sha256(tinyGguf()) },
    });
    const chat = await ran(['generate', path('tiny'), '--chat', '--prompt', 'the', '--max-new-tokens', '4', '--json']);
    const { promptIds, ids } = JSON.parse(chat.out) as Generated;
    expect(promptIds.length).toBeGreaterThan(10);
    expect(ids.length).toBeGreaterThan(0);
  });

  it('that is cut off, or has no tokenizer, is refused, and no folder is made', async () => {
    writeFileSync(path('cut.gguf'), tinyGguf().subarray(0, -1000));
    const cut = await ran(['convert', 'gguf', path('cut.gguf'), '--out', path('out')]);
    expect([cut.code, cut.err]).toEqual([
      1,
      expect.stringMatching(/^solopo: cut\.gguf: cut off: .* download it again$/),
    ]);
    const bytes = tinyGguf();
    bytes.write('Tokenizer', bytes.indexOf('tokenizer.ggml.model'));
    writeFileSync(path('mute.gguf'), bytes);
    const mute = await ran(['convert', 'gguf', path('mute.gguf'), '--out', path('out')]);
    expect([mute.code, mute.err]).toEqual([1, expect.stringContaining('the GGUF file has no tokenizer')]);
    expect(readdirSync(folder).sort()).toEqual(['cut.gguf', 'mute.gguf']);
  });
});
