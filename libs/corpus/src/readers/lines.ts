/**
 * The lines of a text that comes in pieces, without their `\n`; `undefined` stands for one of more than `maxLength`
 * characters, which is not kept. (Node's readline also breaks at U+2028 and U+2029, which JSON allows inside strings.)
 */
export async function* linesOf(
  pieces: AsyncIterable<string>,
  maxLength = Infinity,
): AsyncGenerator<string | undefined, void, undefined> {
  let line = new Line(maxLength);
  for await (const piece of pieces) {
    const [first, ...others] = piece.split('\n');
    line.add(first!);
    for (const other of others) {
      yield line.text();
      line = new Line(maxLength);
      line.add(other);
    }
  }
  if (line.length > 0) yield line.text();
}

class Line {
  length = 0;
  #parts: string[] = [];

  constructor(private readonly maxLength: number) {}

  add(part: string): void {
    this.length += part.length;
    if (this.length > this.maxLength) this.#parts = [];
    else this.#parts.push(part);
  }

  text(): string | undefined {
    return this.length > this.maxLength ? undefined : this.#parts.join('');
  }
}
