import { createHash, createPrivateKey, createPublicKey, sign, type KeyObject } from 'node:crypto';
import { dsse } from '@sigstore/core';
import { Inject, Injectable } from '@nestjs/common';
import { SolopoError, STATEMENT_PAYLOAD_TYPE, type Envelope, type Statement } from '@solopo/contracts';
import { CONFIG } from '@solopo/platform';
import type { GatewayConfig } from '../gateway.config.ts';

export interface PublicKey {
  /** SHA-256 of its SubjectPublicKeyInfo. */
  readonly keyid: string;
  /** PEM. */
  readonly publicKey: string;
}

/** What the system signs statements with, where it has such a key. */
@Injectable()
export class SigningKey {
  readonly #key: KeyObject | undefined;
  readonly public: PublicKey | undefined;

  constructor(@Inject(CONFIG) { signingKey }: Pick<GatewayConfig, 'signingKey'>) {
    if (signingKey === undefined) return;
    this.#key = parse(signingKey);
    const key = createPublicKey(this.#key);
    const keyid = createHash('sha256')
      .update(key.export({ type: 'spki', format: 'der' }))
      .digest('hex');
    this.public = { keyid, publicKey: key.export({ type: 'spki', format: 'pem' }).toString() };
  }

  /** @throws SolopoError `not-found` where there is none */
  require(): PublicKey {
    if (this.public !== undefined) return this.public;
    throw new SolopoError(
      'not-found',
      'This system has no key to sign statements with; set SOLOPO_SIGNING_KEY_FILE of the gateway to an Ed25519 key.',
    );
  }

  /** A line of an in-toto bundle. */
  sign(statement: Statement): string {
    const { keyid } = this.require();
    const payload = Buffer.from(JSON.stringify(statement));
    const sig = sign(null, dsse.preAuthEncoding(STATEMENT_PAYLOAD_TYPE, payload), this.#key as KeyObject);
    const envelope: Envelope = {
      payload: payload.toString('base64'),
      payloadType: STATEMENT_PAYLOAD_TYPE,
      signatures: [{ keyid, sig: sig.toString('base64') }],
    };
    return `${JSON.stringify(envelope)}\n`;
  }
}

function parse(pem: string): KeyObject {
  try {
    const key = createPrivateKey(pem);
    if (key.asymmetricKeyType === 'ed25519') return key;
  } catch {
    // The error may show the key.
  }
  throw new SolopoError(
    'config-invalid',
    'SOLOPO_SIGNING_KEY is no Ed25519 private key in PEM; make one with openssl genpkey -algorithm ed25519.',
  );
}
