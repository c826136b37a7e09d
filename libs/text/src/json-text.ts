/** What Git has in a file's place that Git LFS keeps: a few lines of text, of which this is the first. */
const LFS_POINTER = 'version https://git-lfs.github.com/spec/';
/** The parser of the tokenizers library takes no more than 127; published files have a tenth of this. */
const MAX_DEPTH = 100;
export const TOO_DEEP = `has lists or objects more than ${MAX_DEPTH} deep in one another`;

/** The value of a JSON file's text, or what is wrong with the file and what to do. */
export function readJsonText(text: string): { readonly value: unknown } | { readonly fault: string } {
  if (text.startsWith(LFS_POINTER))
    return {
      fault: 'a Git LFS pointer, a few lines that stand for the file; fetch it with git lfs pull, or download it',
    };
  if (text.startsWith('\uFEFF'))
    return {
      fault: 'begins with a byte order mark, and is not read then, nor by transformers; save it as UTF-8 without one',
    };
  try {
    const value = JSON.parse(text) as unknown;
    if (isTooDeep(value)) return { fault: `${TOO_DEEP}; fetch the file again` };
    return { value };
  } catch (error) {
    return { fault: `not valid JSON (${(error as Error).message}); fetch the file again` };
  }
}

/** Who walks through a value by calling himself comes to the end of the stack; JSON.parse does not. */
export function isTooDeep(value: unknown, depth = MAX_DEPTH): boolean {
  if (typeof value !== 'object' || value === null) return false;
  return depth === 0 || Object.values(value).some((member) => isTooDeep(member, depth - 1));
}
