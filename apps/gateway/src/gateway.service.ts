import type { ServiceOptions } from '@solopo/platform';
import type { GatewayConfig } from './gateway.config.ts';
import { GatewayModule } from './gateway.module.ts';
import { securityHeaders } from './http/security-headers.ts';
import { answerBrokenRequests } from './http/broken-requests.ts';

export function gateway(config: GatewayConfig): ServiceOptions {
  return {
    name: 'gateway',
    module: GatewayModule,
    config,
    // Uploads are streams: only the routes that take JSON parse their bodies.
    nest: { bodyParser: false },
    configure: (app) => {
      app.use(securityHeaders);
      // A big artifact takes longer to arrive than any limit for a whole request: SlowBodies looks at its pace.
      app.getHttpServer().requestTimeout = 0;
      answerBrokenRequests(app.getHttpServer());
    },
  };
}
