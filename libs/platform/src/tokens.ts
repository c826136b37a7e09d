/** The frozen configuration of the app: `@Inject(CONFIG) config: TrainerConfig`. */
export const CONFIG = Symbol('solopo.config');

/** The process's pino logger. */
export const LOGGER = Symbol('solopo.logger');
