// Preference pairs of the retrieval task as TRL reads them, with the token ids that this project gives them.
//   node tools/parity/trl-pairs.mjs > pairs.jsonl
import {
  promptMessages,
  renderDocument,
  RETRIEVAL_PROMPT,
  retrievalExamples,
  retrievalTokenizer,
} from '@solopo/corpus';
import { TextModel } from '@solopo/text';

const text = TextModel.fromFiles(retrievalTokenizer());
for (const { question, answers, documents } of retrievalExamples({ seed: 41, count: 80, documents: 4 })) {
  const joined = documents
    .map((document) => renderDocument(document, RETRIEVAL_PROMPT))
    .join(RETRIEVAL_PROMPT.separator);
  const messages = promptMessages(question, joined, RETRIEVAL_PROMPT);
  // Wrong: the code of the first document that is not asked for.
  const other = documents.find(({ relevant }) => !relevant);
  const wrong = / is (\w+ \w+) \./.exec(other.text)[1];
  const [chosen, rejected] = [answers[0], wrong];
  console.log(
    JSON.stringify({
      prompt: text.renderPrompt(messages),
      chosen: `${chosen} <eos>`,
      rejected: `${rejected} <eos>`,
      ids: {
        prompt: [...text.promptTokens(messages)],
        chosen: [...text.responseTokens(messages, chosen)],
        rejected: [...text.responseTokens(messages, rejected)],
      },
    }),
  );
}
