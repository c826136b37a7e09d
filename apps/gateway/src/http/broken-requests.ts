import { STATUS_CODES, type Server } from 'node:http';
import type { Socket } from 'node:net';
import { problem } from '@solopo/platform';

const STATUS_OF: Readonly<Record<string, readonly [status: number, detail: string]>> = {
  HPE_HEADER_OVERFLOW: [431, 'The address or the headers are too long. Send shorter ones.'],
  HPE_CHUNK_EXTENSIONS_OVERFLOW: [413, 'The extensions of a chunk are too long. Leave them out.'],
  ERR_HTTP_REQUEST_TIMEOUT: [408, 'The headers did not come in time. Send the request again.'],
};

/** Who sends what is no HTTP is told so in the words of the API, as who is wrong otherwise; Node's own answer is a bare status. */
export function answerBrokenRequests(server: Server): void {
  server.on('clientError', (error: NodeJS.ErrnoException, socket: Socket) => {
    if (!socket.writable || socket.bytesWritten > 0) {
      socket.destroy();
      return;
    }
    const [status, detail] = STATUS_OF[error.code ?? ''] ?? [
      400,
      "This is no HTTP request. Look at the API's description.",
    ];
    const body = JSON.stringify({ ...problem(status, detail), instance: '' });
    const head = [
      `HTTP/1.1 ${status} ${STATUS_CODES[status]}`,
      'content-type: application/problem+json; charset=utf-8',
      `content-length: ${Buffer.byteLength(body)}`,
      'connection: close',
    ];
    socket.end(`${head.join('\r\n')}\r\n\r\n${body}`, () => socket.destroySoon());
  });
}
