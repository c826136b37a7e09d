import { createHash, createHmac, pbkdf2Sync, randomBytes } from 'node:crypto';
import { SolopoError } from '@solopo/contracts';

export interface Login {
  readonly user: string;
  /** Empty where the server asks for none. */
  readonly password: string;
}

/** Of an address `postgres://USER:PASSWORD@HOST/DATABASE`. */
export function loginOf(url: string): Login {
  const { username, password } = new URL(url);
  return { user: decodeURIComponent(username), password: decodeURIComponent(password) };
}

const ITERATIONS = 4096;
const BYTES = 32;

/**
 * What Postgres keeps of a password (RFC 5803), so that the password itself is in no statement and no log of the server.
 *
 * @throws SolopoError where the password is not of printable ASCII, which both sides would have to prepare alike
 */
export function scramVerifier({ user, password }: Login, salt = randomBytes(16)): string {
  if (!/^[ -~]+$/.test(password))
    throw new SolopoError(
      'config-invalid',
      `The password of ${user} has characters other than printable ASCII, or is empty; take another one.`,
    );
  const salted = pbkdf2Sync(password, salt, ITERATIONS, BYTES, 'sha256');
  const hmac = (text: string): Buffer => createHmac('sha256', salted).update(text).digest();
  const storedKey = createHash('sha256').update(hmac('Client Key')).digest('base64');
  const serverKey = hmac('Server Key').toString('base64');
  return `SCRAM-SHA-256$${ITERATIONS}:${salt.toString('base64')}$${storedKey}:${serverKey}`;
}
