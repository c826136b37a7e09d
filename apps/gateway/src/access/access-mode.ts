import { isLoopback } from '@solopo/platform';
import type { GatewayConfig } from '../gateway.config.ts';

/** `local`: no tokens, because only this machine reaches the gateway. `off`: none, because the operator said so. */
export type AccessMode = 'required' | 'local' | 'off';

export function accessModeOf({ auth, httpHost }: Pick<GatewayConfig, 'auth' | 'httpHost'>): AccessMode {
  if (auth !== 'auto') return auth;
  return isLoopback(httpHost) ? 'local' : 'required';
}
