import 'reflect-metadata';
import { bootstrap, loadConfig } from '@solopo/platform';
import { gatewayConfigSchema } from './gateway.config.ts';
import { gateway } from './gateway.service.ts';

await bootstrap(gateway(loadConfig(gatewayConfigSchema)));
