// Whether the process lives: what a container engine's health check runs.
const { ok } = await fetch(`http://127.0.0.1:${process.env.SOLOPO_HTTP_PORT ?? 8080}/healthz`);
process.exitCode = ok ? 0 : 1;
