/**
 * Compares what tools/parity/templates.py recorded of transformers with this project's own rendering:
 *
 *     node tools/parity/templates.mjs rendered.json
 *
 * Equal, raised by both, or refused here by name; anything else is printed and ends it with 1.
 */
import { readFileSync } from 'node:fs';

const { ChatTemplate } = await import('../../libs/text/dist/chat-template.js');
const { texts, chats, cases } = JSON.parse(readFileSync(process.argv[2], 'utf8'));
const counts = { equal: 0, raised: 0, refused: 0, different: 0 };
for (const { name, template, chat, text, error } of cases) {
  let own;
  try {
    const made = ChatTemplate.of({ 'chat_template.jinja': template }, {}, texts);
    own = { text: made.render(chats[chat], chat !== 'answered') };
  } catch ({ message }) {
    own = { message };
  }
  const isRefused = own.message?.includes('is not rendered here as Jinja does') === true;
  const outcome = isRefused
    ? 'refused'
    : text === undefined
      ? own.text === undefined
        ? 'raised'
        : 'different'
      : own.text === text
        ? 'equal'
        : 'different';
  counts[outcome] += 1;
  if (outcome === 'different')
    console.log(
      `${name} (${chat})\n  transformers ${JSON.stringify(text ?? error)}\n  here         ${JSON.stringify(own.text ?? own.message)}`,
    );
  if (outcome === 'refused' && text !== undefined) console.log(`${name} (${chat}): ${own.message}`);
}
console.log(counts);
process.exit(counts.different > 0 ? 1 : 0);
