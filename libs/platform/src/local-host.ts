import type { IncomingHttpHeaders } from 'node:http';
import { isIPv4 } from 'node:net';
import { Injectable, type CanActivate, type ExecutionContext } from '@nestjs/common';
import { SolopoError } from '@solopo/contracts';
import type { Request } from 'express';

export function isLoopback(host: string): boolean {
  const name = host.replace(/^\[|\]$/g, '').toLowerCase();
  return name === 'localhost' || name === '::1' || (isIPv4(name) && name.startsWith('127.'));
}

/** Where no tokens are asked for, a page that somebody happens to have open must not reach what listens on this machine. */
export function demandLocal(headers: IncomingHttpHeaders, next: string): void {
  const host = hostOf(`http://${headers.host ?? ''}`);
  const origin = headers.origin === undefined ? host : hostOf(headers.origin);
  if (host === null || !isLoopback(host.hostname) || origin?.host !== host.host)
    throw new SolopoError('forbidden', next);
}

/** For a service that only this machine reaches. */
@Injectable()
export class LocalGuard implements CanActivate {
  canActivate(context: ExecutionContext): boolean {
    const { headers } = context.switchToHttp().getRequest<Request>();
    demandLocal(
      headers,
      'This service answers only programs and pages of this machine; ask it by 127.0.0.1 or localhost.',
    );
    return true;
  }
}

function hostOf(url: string): URL | null {
  return URL.canParse(url) ? new URL(url) : null;
}
