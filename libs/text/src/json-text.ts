/** What Git has in a file's place that Git LFS keeps: a few lines of text, of which this is the first. */
const LFS_POINTER = 'version https://git-lfs.github.com/spec/';

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
    return { value: JSON.parse(text) as unknown };
  } catch (error) {
    return { fault: `not valid JSON (${(error as Error).message}); fetch the file again` };
  }
}
