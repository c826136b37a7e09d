import { z } from 'zod';

/** in-toto's name for a bundle: a DSSE envelope a line. */
export const STATEMENT_FILE = 'solopo.intoto.jsonl';
export const STATEMENT_TYPE = 'https://in-toto.io/Statement/v1';
export const STATEMENT_PAYLOAD_TYPE = 'application/vnd.in-toto+json';
export const PREDICATE_TYPE = 'urn:solopo:policy:v1';

const digest = z.string().regex(/^[0-9a-f]{64}$/);

/** DSSE 1.0: base64 of the statement, and Ed25519 signatures of its pre-authentication encoding. */
export const envelopeSchema = z.object({
  payload: z.base64(),
  payloadType: z.literal(STATEMENT_PAYLOAD_TYPE),
  signatures: z.array(z.object({ keyid: z.string(), sig: z.base64() })).min(1),
});

const predicateSchema = z.object({
  run: z.string(),
  step: z.int().min(0),
  kind: z.enum(['model', 'adapter', 'merged']).describe('merged: an adapter that was added to its base model'),
  baseModel: digest,
  dataset: digest,
  evaluationDataset: digest.nullable(),
  pairs: z.object({
    count: z.int().min(0),
    merkleRoot: digest.describe("RFC 9162's tree over the digests of the training pairs, in their order"),
  }),
  chainHead: digest.describe('Of the chain of steps'),
  engines: z.array(z.string()).describe('Fingerprints of those that took the steps'),
  configuration: digest,
  product: z.object({ name: z.string(), version: z.string() }),
  declared: z
    .array(z.string())
    .describe(
      'Files that the signer did not make, and whose digests it has from whoever exported: what merging the adapter below into the base gives',
    ),
  adapter: digest.nullable().describe("Of a merged adapter's file"),
  publicKey: z.string().describe('PEM; proves nothing until it is held against the one that the system gives'),
});

/** Statement v1. */
export const statementSchema = z.object({
  _type: z.literal(STATEMENT_TYPE),
  subject: z.array(z.object({ name: z.string().min(1), digest: z.object({ sha256: digest }) })).min(1),
  predicateType: z.literal(PREDICATE_TYPE),
  predicate: predicateSchema,
});

export type Envelope = z.infer<typeof envelopeSchema>;
export type Statement = z.infer<typeof statementSchema>;

/** The files of a folder in which an adapter was merged into its base. */
export const createStatementSchema = z.strictObject({
  files: z
    .array(z.strictObject({ name: z.string().regex(/^(?!\.{1,2}$)[^/\\\0]{1,255}$/, 'a file name'), digest }))
    .min(1)
    .max(1000),
});
