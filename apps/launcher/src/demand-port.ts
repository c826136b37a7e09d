import { createServer } from 'node:net';
import { once } from 'node:events';

/** @throws Error where another program listens there: it would answer in the gateway's place */
export async function demandPort(port: number): Promise<void> {
  const server = createServer();
  try {
    await once(server.listen(port, '127.0.0.1'), 'listening');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new Error(
      code === 'EADDRINUSE'
        ? `Another program listens on port ${port}; stop it, name another with --port, or leave --port out for a free one.`
        : `Port ${port} cannot be used (${code ?? String(error)}); name another with --port, or leave --port out for a free one.`,
      { cause: error },
    );
  } finally {
    server.close();
  }
}
