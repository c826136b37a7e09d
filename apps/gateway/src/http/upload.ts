import { PayloadTooLargeException } from '@nestjs/common';
import { SolopoError } from '@solopo/contracts';
import type { Request } from 'express';

/** A raw body, chunk by chunk. When it is not read to its end the client still gets its answer, then the connection ends. */
export async function* upload(request: Request, maxBytes: number): AsyncGenerator<Uint8Array, void, undefined> {
  const tooLarge = (): never => {
    throw new PayloadTooLargeException(`The body is larger than ${maxBytes} bytes`);
  };
  try {
    if (Number(request.headers['content-length'] ?? 0) > maxBytes) tooLarge();
    let bytes = 0;
    for await (const chunk of request.iterator({ destroyOnReturn: false }) as AsyncIterable<Uint8Array>) {
      bytes += chunk.byteLength;
      if (bytes > maxBytes) tooLarge();
      yield chunk;
    }
  } catch (error) {
    if (!request.errored) throw error;
    throw new SolopoError('input-invalid', 'The upload broke off; send it again.', { cause: error });
  } finally {
    if (!request.readableEnded) abandon(request);
  }
}

function abandon(request: Request): void {
  if (request.res?.headersSent === false) request.res.setHeader('connection', 'close');
  request.resume();
}
