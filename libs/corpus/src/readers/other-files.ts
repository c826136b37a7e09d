import { SolopoError } from '@solopo/contracts';
import { NOT_UTF8 } from './utf8.ts';

/** So much of its beginning tells what a file is. */
export const HEAD_LENGTH = 48;

const UNPACK = 'unpack it and send the JSON inside';
const ENCODE = 'write it anew in UTF-8';

/** What stands at the beginning of files that people send in the place of JSON, as it is read, with what to do. */
const OTHER_FILES: readonly (readonly [beginning: string, kind: string, remedy: string])[] = [
  [`\x1f${NOT_UTF8}`, 'compressed by gzip', UNPACK],
  ['BZh', 'compressed by bzip2', UNPACK],
  [`${NOT_UTF8}7zXZ`, 'compressed by xz', UNPACK],
  [`(${NOT_UTF8}/${NOT_UTF8}`, 'compressed by Zstandard', UNPACK],
  ['PK\x03\x04', 'a zip archive', UNPACK],
  ['PAR1', 'a Parquet file', 'write its rows as JSON lines, with the field names of the format'],
  [`${NOT_UTF8}${NOT_UTF8}{\0`, 'text in UTF-16', ENCODE],
  [`${NOT_UTF8}${NOT_UTF8}[\0`, 'text in UTF-16', ENCODE],
  [`${NOT_UTF8}${NOT_UTF8}\0{`, 'text in UTF-16', ENCODE],
  [`${NOT_UTF8}${NOT_UTF8}\0[`, 'text in UTF-16', ENCODE],
  [
    'version https://git-lfs.github.com/spec/',
    'a Git LFS pointer, a few lines that stand for the file',
    'fetch it with git lfs pull',
  ],
  ['<!DOCTYPE html', 'a web page', 'download the file itself'],
  ['<html', 'a web page', 'download the file itself'],
];

/** A file of another kind would be refused line by line, in words that say nothing of it. @throws SolopoError `dataset-invalid` */
export function demandJson(head: string): void {
  const found = OTHER_FILES.find(([beginning]) => head.toLowerCase().startsWith(beginning.toLowerCase()));
  if (found) throw new SolopoError('dataset-invalid', `The file is ${found[1]}, not JSON; ${found[2]}.`);
}
