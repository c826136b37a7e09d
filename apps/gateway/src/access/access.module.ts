import { Inject, Module, type OnApplicationBootstrap } from '@nestjs/common';
import { APP_GUARD } from '@nestjs/core';
import { CONFIG, LOGGER, type Logger } from '@solopo/platform';
import type { GatewayConfig } from '../gateway.config.ts';
import { accessModeOf } from './access-mode.ts';
import { AccessGuard } from './access.guard.ts';

@Module({ providers: [{ provide: APP_GUARD, useClass: AccessGuard }] })
export class AccessModule implements OnApplicationBootstrap {
  constructor(
    @Inject(CONFIG) private readonly config: GatewayConfig,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {}

  onApplicationBootstrap(): void {
    const { httpHost, adminToken } = this.config;
    switch (accessModeOf(this.config)) {
      case 'local':
        return this.logger.warn(
          { httpHost },
          'NO TOKENS ARE ASKED FOR: whoever is on this machine may do everything. Set SOLOPO_AUTH=required to change that.',
        );
      case 'off':
        return this.logger.warn(
          { httpHost },
          'NO TOKENS ARE ASKED FOR, as SOLOPO_AUTH=off says: whoever reaches this address may do everything.',
        );
      case 'required':
        if (adminToken === undefined)
          this.logger.warn('Only tokens issued earlier are accepted; set SOLOPO_ADMIN_TOKEN to issue the first.');
    }
  }
}
