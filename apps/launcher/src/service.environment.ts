/** For the gateway, and for nobody else: whoever has one of them may do what an administrator may, reports to a tracker, or signs as the system. */
const OF_GATEWAY = ['SOLOPO_ADMIN_TOKEN', 'SOLOPO_MLFLOW_TOKEN', 'SOLOPO_SIGNING_KEY'];
/** Of the client on this terminal. */
const OF_CLIENT = ['SOLOPO_TOKEN'];

/** What services take over of the launcher's own environment: each only the secrets that are for it. */
export function inherited(service: 'gateway' | 'other', env: NodeJS.ProcessEnv = process.env): NodeJS.ProcessEnv {
  const withheld = new Set(
    [...OF_CLIENT, ...(service === 'gateway' ? [] : OF_GATEWAY)].flatMap((name) => [name, `${name}_FILE`]),
  );
  return Object.fromEntries(Object.entries(env).filter(([name]) => !withheld.has(name)));
}
