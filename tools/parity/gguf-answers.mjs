// node tools/parity/gguf-answers.mjs FOLDER > answers.json: this engine's greedy answers from a folder that `solopo convert gguf` made.
import { LanguageModel, Runtime, sample } from '@solopo/lm';
import { TextModel } from '@solopo/text';

const QUESTIONS = [
  'What is the capital of France?',
  'Name three colours of the rainbow.',
  'Write one sentence about the sea.',
  'What is 12 plus 30? Explain in two sentences.',
];

const [folder] = process.argv.slice(2);
const text = await TextModel.fromFolder(folder);
const runtime = new Runtime({ threads: 1 });
const model = LanguageModel.fromFolder(folder, runtime);
const answers = [];
for (const content of QUESTIONS) {
  const prompt = text.promptTokens([{ role: 'user', content }]);
  const [[{ tokens }]] = await sample(model, [{ tokens: prompt, key: [0, 0] }], {
    samplesPerPrompt: 1,
    temperature: 0,
    topP: 1,
    maxNewTokens: 48,
    eosIds: text.eosIds,
    seed: 0,
  });
  answers.push({ content, prompt: [...prompt], tokens: [...tokens], text: text.decode(tokens, { skipSpecial: true }) });
}
console.log(JSON.stringify(answers, null, 1));
await runtime.close();
