import { createLogger, loadConfig } from '@solopo/platform';
import { migrate } from './migrate.ts';
import { migratorConfigSchema } from './migrator.config.ts';

const logger = createLogger('migrator', process.env['SOLOPO_LOG_LEVEL']);
try {
  await migrate(loadConfig(migratorConfigSchema), logger);
} catch (error) {
  logger.fatal({ error }, error instanceof Error ? error.message : String(error));
  process.exitCode = 1;
}
