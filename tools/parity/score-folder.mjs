// This engine's log-probabilities of a fixed sequence under a model folder.   node tools/parity/score-folder.mjs FOLDER
import { LanguageModel, packSequences, Runtime } from '@solopo/lm';

const runtime = new Runtime({ threads: 1 });
const model = LanguageModel.fromFolder(process.argv[2], runtime);
const tokens = Int32Array.from({ length: 120 }, (_, i) => (i * i * 7 + 3 * i + 5) % model.config.vocabSize);
const { logps } = await model.targetLogps(await model.forward(packSequences([tokens])));
console.log(JSON.stringify({ tokens: [...tokens], logps: [...logps] }));
await runtime.close();
