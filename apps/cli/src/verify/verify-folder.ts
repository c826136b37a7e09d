import { createHash, createPublicKey, verify, type KeyObject } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { dsse } from '@sigstore/core';
import { envelopeSchema, STATEMENT_FILE, statementSchema, type Envelope, type Statement } from '@solopo/contracts';
import { fileDigest } from '../file-digest.ts';
import { UsageError } from '../usage.error.ts';

export type FolderFault =
  | 'statement-missing'
  | 'statement-malformed'
  | 'signature-invalid'
  | 'key-other'
  | 'file-altered'
  | 'file-missing'
  | 'file-added';

export interface FolderCheck {
  readonly name: 'statement' | 'signature' | 'files';
  readonly ok: boolean;
  readonly detail: string;
  readonly faults: readonly { readonly code: FolderFault; readonly file?: string }[];
}

export interface VerifiedFolder {
  readonly ok: boolean;
  readonly checks: readonly FolderCheck[];
  /** What the signature covers; null where there is nothing to read. */
  readonly statement: Statement | null;
}

/**
 * An exported folder against the statement in it. Nothing is asked of any system.
 *
 * @param keyFile the system's public key in PEM; without it the signature is held against the key that the statement itself names
 */
export async function verifyFolder(folder: string, keyFile?: string): Promise<VerifiedFolder> {
  const key = keyFile === undefined ? undefined : await readKey(keyFile);
  const signed = await readStatement(folder);
  if ('code' in signed) {
    const { code, detail } = signed;
    return { ok: false, checks: [{ name: 'statement', ok: false, detail, faults: [{ code }] }], statement: null };
  }
  const { statement } = signed;
  const checks = [told(statement), checkSignature(signed, key), await checkFiles(folder, statement)];
  return { ok: checks.every(({ ok }) => ok), checks, statement };
}

interface Signed {
  readonly envelope: Envelope;
  readonly statement: Statement;
}

/** Of the lines of the bundle, the one that is about a policy; others may state more of it. */
async function readStatement(
  folder: string,
): Promise<Signed | { readonly code: FolderFault; readonly detail: string }> {
  const text = await readFile(join(folder, STATEMENT_FILE), 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  });
  if (text === undefined)
    return {
      code: 'statement-missing',
      detail: `there is no ${STATEMENT_FILE}: export the policy again from a system that has a key to sign with`,
    };
  for (const line of text.split('\n').filter(Boolean)) {
    const envelope = envelopeSchema.safeParse(parsed(line)).data;
    const payload = envelope && Buffer.from(envelope.payload, 'base64').toString();
    const statement = statementSchema.safeParse(payload && parsed(payload)).data;
    if (envelope && statement) return { envelope, statement };
  }
  return {
    code: 'statement-malformed',
    detail: `${STATEMENT_FILE} holds no statement of a policy in a DSSE envelope: it was altered, or a newer version wrote it`,
  };
}

function told({ predicate }: Statement): FolderCheck {
  const { run, step, kind, product, declared, chainHead, pairs } = predicate;
  const merged =
    declared.length === 0
      ? ''
      : `; the digests of ${declared.join(', ')} are whoever exported it says that merging gave, and the system signed that he said so`;
  const detail = `${kind} of run ${run}, step ${step}, by ${product.name} ${product.version}; chain head ${chainHead}, ${pairs.count} pairs${merged}`;
  return { name: 'statement', ok: true, detail, faults: [] };
}

function checkSignature({ envelope, statement }: Signed, given: KeyObject | undefined): FolderCheck {
  const key = given ?? publicKeyOf(statement.predicate.publicKey);
  const fault = (code: FolderFault, detail: string): FolderCheck => {
    return { name: 'signature', ok: false, detail, faults: [{ code }] };
  };
  const altered = 'the statement or its signature was altered: take nothing that it says for true';
  if (key === undefined) return fault('signature-invalid', altered);
  const keyid = keyIdOf(key);
  const signed = dsse.preAuthEncoding(envelope.payloadType, Buffer.from(envelope.payload, 'base64'));
  const isSigned = envelope.signatures.some(({ sig }) => verify(null, signed, key, Buffer.from(sig, 'base64')));
  if (isSigned)
    return {
      name: 'signature',
      ok: true,
      detail:
        given === undefined
          ? `by the key ${keyid}, which the statement itself names: hold it against what solopo signing-key prints, with --key`
          : `by the key ${keyid}`,
      faults: [],
    };
  const others = envelope.signatures.map((signature) => signature.keyid);
  return given === undefined || others.includes(keyid)
    ? fault('signature-invalid', altered)
    : fault(
        'key-other',
        `it is not by the key ${keyid}, but by ${others.join(', ')}: another system's, or a forged one`,
      );
}

async function checkFiles(folder: string, { subject }: Statement): Promise<FolderCheck> {
  const stated = new Map(subject.map(({ name, digest }) => [name, digest.sha256]));
  const entries = await readdir(folder, { withFileTypes: true });
  const there = new Set(entries.filter((entry) => entry.isFile()).map(({ name }) => name));
  const faults: { code: FolderFault; file: string }[] = [];
  for (const [file, digest] of stated) {
    if (!there.has(file)) faults.push({ code: 'file-missing', file });
    else if ((await fileDigest(join(folder, file))) !== digest) faults.push({ code: 'file-altered', file });
  }
  for (const { name: file } of entries)
    if (!stated.has(file) && file !== STATEMENT_FILE) faults.push({ code: 'file-added', file });
  const ok = faults.length === 0;
  const detail = ok ? `${stated.size} files` : faults.map(({ code, file }) => `${code}: ${file}`).join('; ');
  return { name: 'files', ok, detail, faults };
}

async function readKey(path: string): Promise<KeyObject> {
  const pem = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    throw new UsageError(
      `The key ${path} cannot be read (${error.code ?? error.message}); name the file of a public key.`,
    );
  });
  const key = publicKeyOf(pem);
  if (key === undefined)
    throw new UsageError(`${path} is no Ed25519 public key in PEM; take what solopo signing-key prints.`);
  return key;
}

function publicKeyOf(pem: string): KeyObject | undefined {
  try {
    const key = createPublicKey(pem);
    return key.asymmetricKeyType === 'ed25519' ? key : undefined;
  } catch {
    return undefined;
  }
}

function keyIdOf(key: KeyObject): string {
  return createHash('sha256')
    .update(key.export({ type: 'spki', format: 'der' }))
    .digest('hex');
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
