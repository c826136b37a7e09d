import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { GgufModel, parameterCount, type GgufSource } from '@solopo/lm';
import { ggufTokenizerFiles } from '@solopo/text';
import { fileDigest } from '../file-digest.ts';
import { withDraftFolder } from '../export/draft-folder.ts';

export interface ConvertedGguf {
  readonly folder: string;
  readonly parameters: number;
  readonly source: GgufSource;
  readonly files: readonly string[];
}

/** Writes a Hugging Face folder with a GGUF file's model: its tensors dequantised to float32, its tokenizer and chat template. */
export async function convertGguf({
  file,
  out,
}: {
  readonly file: string;
  readonly out: string;
}): Promise<ConvertedGguf> {
  const model = GgufModel.open(file);
  try {
    const text: Readonly<Record<string, string>> = ggufTokenizerFiles(model.metadata);
    const source: GgufSource = { format: 'gguf', file_type: model.fileType, sha256: await fileDigest(file) };
    await withDraftFolder(out, async (folder) => {
      await writeFile(join(folder, 'config.json'), `${JSON.stringify(model.formatConfig(source), null, 2)}\n`);
      for (const [name, content] of Object.entries(text)) await writeFile(join(folder, name), content);
      model.writeWeights(join(folder, 'model.safetensors'));
    });
    return {
      folder: out,
      parameters: parameterCount(model.config),
      source,
      files: ['config.json', 'model.safetensors', ...Object.keys(text)].sort(),
    };
  } finally {
    model.close();
  }
}
