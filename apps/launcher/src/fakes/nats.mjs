import { connect } from '@nats-io/transport-node';

/** As the user that the address names: the client reads none from it. */
export function connectTo(address) {
  const { username: user, password: pass, protocol, host } = new URL(address);
  return connect({ servers: `${protocol}//${host}`, user, pass });
}
