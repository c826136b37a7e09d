import { connectNats, provisionStreams } from '@solopo/bus';
import { SolopoError } from '@solopo/contracts';
import { Ledger } from '@solopo/ledger';
import type { Logger } from '@solopo/platform';
import type { MigratorConfig } from './migrator.config.ts';

/** Brings the ledger's schema and the streams up to date. Several may run at once; a second run changes nothing. */
export async function migrate(config: MigratorConfig, logger: Logger): Promise<void> {
  await migrateLedger(config, logger);
  await migrateStreams(config, logger);
}

async function migrateLedger(config: MigratorConfig, logger: Logger): Promise<void> {
  const ledger = Ledger.open(config.databaseUrl, { connections: 2 });
  try {
    await ledger.ping().catch((cause: unknown) => {
      throw new SolopoError('not-ready', 'Postgres does not answer; start it, or correct SOLOPO_DATABASE_URL.', {
        cause,
      });
    });
    const applied = await ledger.migrate();
    logger.info({ applied, version: await ledger.schemaVersion() }, 'the schema is up to date');
    const roles = await ledger.provisionRoles({
      gateway: config.gatewayDatabaseUrl,
      datagen: config.datagenDatabaseUrl,
      reward: config.rewardDatabaseUrl,
      trainer: config.trainerDatabaseUrl,
      retention: config.retentionDatabaseUrl,
    });
    if (Object.keys(roles).length > 0) logger.info({ roles }, 'the roles are up to date');
  } finally {
    await ledger.close();
  }
}

async function migrateStreams(config: MigratorConfig, logger: Logger): Promise<void> {
  const connection = await connectNats(config.natsUrl, 'migrator');
  try {
    const changes = await provisionStreams(connection, { stream: { num_replicas: config.streamReplicas } });
    for (const { target, change, differences } of changes) {
      if (change === 'obsolete') logger.warn({ target }, 'no function needs this; delete it once its work is done');
      else if (change !== 'unchanged') logger.info({ target, differences }, change);
    }
    logger.info('the streams are up to date');
  } finally {
    await connection.close();
  }
}
