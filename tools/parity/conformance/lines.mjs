/** The lines of a stream, parted at line feeds alone: node:readline parts at U+2028 too, which JSON does not escape. */
export async function* linesOf(stream) {
  let rest = '';
  stream.setEncoding('utf8');
  for await (const text of stream) {
    const lines = (rest + text).split('\n');
    rest = lines.pop();
    yield* lines;
  }
}
