import { describe, expect, it } from 'vitest';
import { MADE_TOKENIZERS } from './made-tokenizers.fixture.ts';
import { dataFolder, smallFiles, withConfig } from './text-files.fixture.ts';
import { parseTextFiles, readTextFiles, type TextFiles } from './text-files.ts';
import { TextModel } from './text-model.ts';
import { transformersTokens } from './transformers-tokens.ts';

const foreseen = (files: TextFiles) => transformersTokens(parseTextFiles(files));
const made = (name: string): TextFiles => MADE_TOKENIZERS[name]!.files;

function withModelType(files: TextFiles, modelType: string): TextFiles {
  return { ...files, 'config.json': JSON.stringify({ model_type: modelType }) };
}

describe('what AutoTokenizer of transformers makes of a folder', () => {
  it('is the file where its class is the generic one', async () => {
    const bundled = foreseen(await readTextFiles(dataFolder('models/retrieval-144k')));
    expect(bundled).toMatchObject({ tokenizerClass: 'TokenizersBackend', replaced: [], warning: null, note: null });
  });

  it.each(['constructor', 'toString', '__proto__'])('is told of one that has the name %s in it', (name) => {
    const tokenizer = JSON.parse(smallFiles()['tokenizer.json'] ?? '') as object;
    const part = JSON.parse(`{"type":"Whitespace","${name}":1}`) as object;
    const odd = JSON.stringify({ ...tokenizer, normalizer: part, pre_tokenizer: part, decoder: part });
    const fast = withConfig({ tokenizer_class: 'PreTrainedTokenizerFast' });
    for (const type of ['qwen2', 'llama', name])
      expect(foreseen({ ...withModelType(fast, type), 'tokenizer.json': odd })).toHaveProperty('tokenizerClass');
    expect(foreseen(withConfig({ tokenizer_class: name }))).toHaveProperty('tokenizerClass');
  });

  it('of whole words under qwen2 is none of them, of which it warns', () => {
    const words = withConfig({ tokenizer_class: 'PreTrainedTokenizerFast' });
    expect(foreseen(withModelType(words, 'seed_oss'))).toMatchObject({ fromHere: null, warning: null });
    const qwen = foreseen(withModelType(words, 'qwen2'));
    expect(qwen).toMatchObject({
      tokenizerClass: 'Qwen2Tokenizer',
      replaced: ['normalizer', 'pre_tokenizer', 'model'],
    });
    expect(qwen.fromHere?.texts).toBeGreaterThan(0);
    expect(qwen.warning).toMatch(
      /makes a Qwen2Tokenizer .*model_type is "qwen2", whatever tokenizer_class says.*; load it with PreTrainedTokenizerFast\.from_pretrained in place of AutoTokenizer\.$/,
    );
    // Where it is qwen3, a class that is named counts.
    expect(foreseen(withModelType(words, 'qwen3')).warning).toBeNull();
  });

  it("is Qwen2.5's and the same ids, though the class makes it anew", async () => {
    const qwen = foreseen(await readTextFiles(dataFolder('models/qwen2.5-0.5b-instruct')));
    expect(qwen).toMatchObject({ tokenizerClass: 'Qwen2Tokenizer', replaced: [], warning: null, note: null });
  });

  it("drops SmolLM2's digits, of which it warns with a text and both its ids", async () => {
    const smol = await readTextFiles(dataFolder('models/smollm2-360m-instruct'));
    const { fromHere, warning } = foreseen(smol);
    const { text, there, expected } = fromHere!.example;
    expect(expected).toEqual([...TextModel.fromFiles(smol).encode(text)]);
    expect(there).not.toEqual(expected);
    expect(warning).toContain('write "tokenizer_class": "PreTrainedTokenizerFast" into tokenizer_config.json');
    const mended = JSON.parse(smol['tokenizer_config.json']!) as object;
    const config = JSON.stringify({ ...mended, tokenizer_class: 'PreTrainedTokenizerFast' });
    expect(foreseen({ ...smol, 'tokenizer_config.json': config }).warning).toBeNull();
  });

  it('is what is used here, though not the file alone: a note', () => {
    const llama = foreseen(made("LlamaTokenizer, whose class replaces the file's normalizer"));
    expect(llama).toMatchObject({ tokenizerClass: 'LlamaTokenizer', fromHere: null, warning: null });
    expect(llama.note).toMatch(/Tools that read tokenizer\.json alone give other ids to some texts: "/);
    const added = foreseen(made('tokens by id in tokenizer_config.json'));
    expect(added.fromFile?.example.text).toMatch(/<[xy]>/);
  });

  it.each(Object.entries(MADE_TOKENIZERS))('never warns where ids here are its own: %s', (_, { files }) => {
    expect(foreseen(files).warning).toBeNull();
  });

  it('is said to fail where the library makes nothing of it', () => {
    const files = withModelType(smallFiles(), 'qwen2');
    expect(foreseen(files).warning).toMatch(/has the ids none there/);
  });
});
