import { isIPv4 } from 'node:net';
import type { GatewayConfig } from '../gateway.config.ts';

/** `local`: no tokens, because only this machine reaches the gateway. `off`: none, because the operator said so. */
export type AccessMode = 'required' | 'local' | 'off';

export function accessModeOf({ auth, httpHost }: Pick<GatewayConfig, 'auth' | 'httpHost'>): AccessMode {
  if (auth !== 'auto') return auth;
  return isLoopback(httpHost) ? 'local' : 'required';
}

export function isLoopback(host: string): boolean {
  const name = host.replace(/^\[|\]$/g, '').toLowerCase();
  return name === 'localhost' || name === '::1' || (isIPv4(name) && name.startsWith('127.'));
}
