import { SolopoError } from '@solopo/contracts';
import { nameOf, type BucketLocation } from './bucket.location.ts';

/** How servers say that there is no room: Amazon's quota, gateways over a file system, MinIO. */
const FULL = /^(QuotaExceeded|InsufficientStorage|XMinioStorageFull|XMinioAdminBucketQuotaExceeded)$/;
const NO_KEYS = /^(CredentialsProviderError|TokenProviderError|ProviderError)$/;
const WRONG_KEYS =
  /^(InvalidAccessKeyId|SignatureDoesNotMatch|ExpiredToken(Exception)?|InvalidToken|AccessDenied|Forbidden|AllAccessDisabled|AccountProblem|XAdminUserNotFound)$/;
const WRONG_REGION =
  /^(PermanentRedirect|TemporaryRedirect|AuthorizationHeaderMalformed|IllegalLocationConstraintException)$/;
/** Of the connection: nothing came from the server, or not all of it. */
const CONNECTION =
  /^(ECONNREFUSED|ECONNRESET|EPIPE|ETIMEDOUT|ENOTFOUND|EAI_AGAIN|EHOSTUNREACH|ENETUNREACH|ERR_STREAM_PREMATURE_CLOSE)$/;
const BUSY = /^(SlowDown|ServiceUnavailable|InternalError|RequestTimeout|TimeoutError|Throttling(Exception)?)$/;

/** What the client throws, by name: who is to do what next. */
export function bucketFault(error: unknown, location: BucketLocation): unknown {
  if (!(error instanceof Error) || error instanceof SolopoError) return error;
  const { name } = error;
  const status = statusOf(error);
  const [store, said] = [`The artifact store ${nameOf(location)}`, `${name}: ${error.message}`];
  const refused = (next: string): SolopoError =>
    new SolopoError('store-refused', `${store} refused (${said}); ${next}.`, { cause: error });

  if (FULL.test(name) || status === 507)
    return new SolopoError('store-full', `${store} is full (${said}); make room or raise its quota, then try again.`, {
      cause: error,
    });
  if (name === 'NoSuchBucket') return refused('make the bucket, or correct SOLOPO_ARTIFACTS');
  if (name === 'RequestTimeTooSkewed' || name === 'RequestExpired')
    return refused('set the clock of this machine by NTP: it is too far from the server');
  if (NO_KEYS.test(name))
    return refused(
      'set SOLOPO_ARTIFACTS_ACCESS_KEY and SOLOPO_ARTIFACTS_SECRET_KEY, or give the pod a role that the bucket knows',
    );
  if (WRONG_REGION.test(name) || status === 301 || error.message === 'Region is missing')
    return refused('set SOLOPO_ARTIFACTS_REGION and SOLOPO_ARTIFACTS_ENDPOINT to those of the bucket');
  if (WRONG_KEYS.test(name) || status === 401 || status === 403)
    return refused(
      'correct SOLOPO_ARTIFACTS_ACCESS_KEY and SOLOPO_ARTIFACTS_SECRET_KEY, or let them list, read and write the bucket',
    );
  if (isConnection(error) || BUSY.test(name) || (status !== undefined && status >= 500))
    return new SolopoError(
      'not-ready',
      `${store} does not answer (${said}); look whether it runs and this machine reaches it. What needs it is tried again.`,
      { cause: error },
    );
  if (status !== undefined) return refused('look at the settings SOLOPO_ARTIFACTS_... and at the log of the server');
  return error;
}

/** Whether the connection failed, so that the same request may succeed. */
export function isConnection(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  const code = 'code' in error ? String(error.code) : '';
  if (CONNECTION.test(code) || error.name === 'TimeoutError' || error.message === 'aborted') return true;
  return isConnection(error.cause) || (error instanceof AggregateError && error.errors.some(isConnection));
}

/** The server knows no such key; where it was asked for the head alone, perhaps no such bucket. */
export function isNoSuchKey(error: unknown): boolean {
  return error instanceof Error && (error.name === 'NoSuchKey' || error.name === 'NotFound');
}

function statusOf(error: Error): number | undefined {
  const { $metadata } = error as { readonly $metadata?: { readonly httpStatusCode?: number } };
  return $metadata?.httpStatusCode;
}
