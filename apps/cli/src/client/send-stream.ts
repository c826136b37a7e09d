import { request as httpRequest, type IncomingMessage } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';

export interface Streamed {
  readonly method: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly signal: AbortSignal;
  readonly stream: AsyncIterable<Uint8Array>;
}

/** As fetch, which in Node 24 keeps every chunk of a streamed body until its end (findings/fetch-keeps-a-streamed-body.sh). */
export async function sendStream(url: URL, { method, headers, signal, stream }: Streamed): Promise<Response> {
  const request = (url.protocol === 'https:' ? httpsRequest : httpRequest)(url, { method, headers, signal });
  let isAnswered = false;
  const answered = new Promise<IncomingMessage>((resolve, reject) => {
    request.once('response', (answer) => {
      isAnswered = true;
      resolve(answer);
    });
    request.once('error', reject);
  });
  // Who refuses a body may answer before its end, and then hears no more of it.
  const sent = pipeline(stream, request).catch((error: unknown) => {
    if (!isAnswered) throw error;
  });
  const [answer] = await Promise.all([answered, sent]);
  const { statusCode = 500, headers: given } = answer;
  const kept = Object.entries(given).flatMap(([name, value]) =>
    [value ?? []].flat().map((each) => [name, each] as [string, string]),
  );
  return new Response(Readable.toWeb(answer) as ReadableStream<Uint8Array>, { status: statusCode, headers: kept });
}
