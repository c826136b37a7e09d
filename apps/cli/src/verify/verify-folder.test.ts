import { createHash, generateKeyPairSync, sign, type KeyObject } from 'node:crypto';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Statement } from '@solopo/contracts';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ran, type Ran } from '../command-line/terminal.fixture.ts';
import type { VerifiedFolder } from './verify-folder.ts';

const sha256 = (data: string | Buffer) => createHash('sha256').update(data).digest('hex');
const FILES = { 'README.md': '# A run\n', 'config.json': '{}\n', 'model.safetensors': 'weights' };
const TYPE = 'application/vnd.in-toto+json';

const system = generateKeyPairSync('ed25519');
const stranger = generateKeyPairSync('ed25519');
const pem = (key: KeyObject) => key.export({ type: 'spki', format: 'pem' }).toString();
const keyIdOf = (key: KeyObject) => sha256(key.export({ type: 'spki', format: 'der' }));

let folder: string;
let keys: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'solopo-folder-'));
  keys = mkdtempSync(join(tmpdir(), 'solopo-keys-'));
  writeFileSync(join(keys, 'system.pub'), pem(system.publicKey));
  writeFileSync(join(keys, 'other.pub'), pem(stranger.publicKey));
  for (const [name, content] of Object.entries(FILES)) writeFileSync(join(folder, name), content);
  writeStatement(statementOf(), system);
});
afterEach(() => {
  for (const made of [folder, keys]) rmSync(made, { recursive: true });
});

function statementOf(changes: Partial<Statement['predicate']> = {}): Statement {
  return {
    _type: 'https://in-toto.io/Statement/v1',
    subject: Object.entries(FILES).map(([name, content]) => ({ name, digest: { sha256: sha256(content) } })),
    predicateType: 'urn:solopo:policy:v1',
    predicate: {
      run: 'run_1',
      step: 5,
      kind: 'model',
      baseModel: sha256('base'),
      dataset: sha256('data'),
      evaluationDataset: null,
      pairs: { count: 10, merkleRoot: sha256('root') },
      chainHead: sha256('head'),
      engines: ['a cpu'],
      configuration: sha256('configuration'),
      product: { name: 'solopo', version: '0.1.0' },
      declared: [],
      adapter: null,
      publicKey: pem(system.publicKey),
      ...changes,
    },
  };
}

/** As DSSE 1.0 has it, without the library that the product has it from. */
function writeStatement(
  statement: Statement,
  by: { readonly publicKey: KeyObject; readonly privateKey: KeyObject },
): void {
  const body = JSON.stringify(statement);
  const encoded = `DSSEv1 ${Buffer.byteLength(TYPE)} ${TYPE} ${Buffer.byteLength(body)} ${body}`;
  const sig = sign(null, Buffer.from(encoded), by.privateKey).toString('base64');
  const signatures = [{ keyid: keyIdOf(by.publicKey), sig }];
  const envelope = { payload: Buffer.from(body).toString('base64'), payloadType: TYPE, signatures };
  writeFileSync(join(folder, 'solopo.intoto.jsonl'), `${JSON.stringify(envelope)}\n`);
}

/** What is in the envelope is altered, and the signature stays. */
function alter(changes: (envelope: { payload: string; signatures: { keyid: string; sig: string }[] }) => void): void {
  const path = join(folder, 'solopo.intoto.jsonl');
  const envelope = JSON.parse(readFileSync(path, 'utf8')) as Parameters<typeof changes>[0];
  changes(envelope);
  writeFileSync(path, JSON.stringify(envelope));
}

const verify = (...args: string[]): Promise<Ran> => ran(['verify', folder, ...args], {});

async function faultsOf(key: string | null = 'system.pub'): Promise<string[]> {
  const { code, out } = await verify(...(key === null ? [] : ['--key', join(keys, key)]), '--json');
  const { ok, checks } = JSON.parse(out) as VerifiedFolder;
  expect(code).toBe(ok ? 0 : 1);
  return checks.flatMap(({ faults }) => faults.map((fault) => [fault.code, fault.file].filter(Boolean).join(' ')));
}

describe('an exported folder', () => {
  it('is found whole without any system, by the key of the one that made it', async () => {
    expect(await faultsOf()).toEqual([]);
    const { out } = await verify('--key', join(keys, 'system.pub'));
    expect(out).toMatch(/^ok {6}statement {2}model of run run_1, step 5, by solopo 0\.1\.0; /);
    expect(out).toContain(`ok      signature  by the key ${keyIdOf(system.publicKey)}\n`);
    expect(out).toContain('ok      files      3 files');
  });

  it('without a key is held against the one that it names itself, and says so', async () => {
    expect(await faultsOf(null)).toEqual([]);
    expect((await verify()).out).toContain('which the statement itself names: hold it against what solopo signing-key');
  });

  it('says which files the signer did not make', async () => {
    writeStatement(statementOf({ kind: 'merged', declared: ['model.safetensors'], adapter: sha256('a') }), system);
    expect((await verify()).out).toContain('the digests of model.safetensors are whoever exported it says');
  });

  it.each<readonly [string, () => void, readonly string[]]>([
    [
      'a byte of a file',
      () => writeFileSync(join(folder, 'model.safetensors'), 'weightS'),
      ['file-altered model.safetensors'],
    ],
    ['a lost file', () => rmSync(join(folder, 'config.json')), ['file-missing config.json']],
    ['an added file', () => writeFileSync(join(folder, 'modeling.py'), ''), ['file-added modeling.py']],
    ['an added folder', () => mkdirSync(join(folder, 'code')), ['file-added code']],
    ['no statement', () => rmSync(join(folder, 'solopo.intoto.jsonl')), ['statement-missing']],
    [
      'a torn statement',
      () => writeFileSync(join(folder, 'solopo.intoto.jsonl'), '{"payload":'),
      ['statement-malformed'],
    ],
    [
      'an altered statement',
      () =>
        alter((envelope) => {
          envelope.payload = Buffer.from(JSON.stringify(statementOf({ run: 'run_2' }))).toString('base64');
        }),
      ['signature-invalid'],
    ],
    [
      'a file and its digest in the statement',
      () => {
        writeFileSync(join(folder, 'config.json'), '{"a":1}');
        const { subject, ...rest } = statementOf();
        const altered = subject.map((file) =>
          file.name === 'config.json' ? { ...file, digest: { sha256: sha256('{"a":1}') } } : file,
        );
        alter((envelope) => {
          envelope.payload = Buffer.from(JSON.stringify({ ...rest, subject: altered })).toString('base64');
        });
      },
      ['signature-invalid'],
    ],
    [
      'an altered signature',
      () =>
        alter(({ signatures }) => {
          const bytes = Buffer.from(signatures[0]!.sig, 'base64');
          bytes[0]! ^= 1;
          signatures[0]!.sig = bytes.toString('base64');
        }),
      ['signature-invalid'],
    ],
    [
      'all of it made anew with a key of somebody else',
      () => writeStatement(statementOf({ publicKey: pem(stranger.publicKey) }), stranger),
      ['key-other'],
    ],
    [
      "all of it made anew, under the system's name",
      () => {
        writeStatement(statementOf(), stranger);
        alter(({ signatures }) => {
          signatures[0]!.keyid = keyIdOf(system.publicKey);
        });
      },
      ['signature-invalid'],
    ],
  ])('is found out: %s', async (_, touch, faults) => {
    touch();
    expect(await faultsOf()).toEqual(faults);
  });

  it('held against the key of another system is not of that one', async () => {
    expect(await faultsOf('other.pub')).toEqual(['key-other']);
  });

  it('needs a key that is one, and a folder', async () => {
    expect(await verify('--key', join(keys, 'none'))).toMatchObject({ code: 2 });
    expect(await verify('--key', join(folder, 'README.md'))).toMatchObject({ code: 2 });
    expect(await verify('--replay', '2')).toMatchObject({ code: 2 });
    expect(await ran(['verify', 'run_1', '--key', join(keys, 'system.pub')], {})).toMatchObject({ code: 2 });
  });
});
