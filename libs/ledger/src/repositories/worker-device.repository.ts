import { sql } from 'kysely';
import type { Queries } from '../tables/database.ts';

/** Where a worker's engine computes, as it last told. */
export interface WorkerDevice {
  readonly device: string;
  /** What the device calls itself, where it does. */
  readonly name: string | null;
  /** Why this one. */
  readonly reason: string;
  readonly allocatedBytes: number;
  readonly memoryBytes: number | null;
  /** Of its process, in the form of GLIBC_TUNABLES; null where there are none. */
  readonly memorySettings: string | null;
}

export interface WorkerDeviceRecord extends WorkerDevice {
  readonly worker: string;
  readonly toldAt: Date;
}

export class WorkerDeviceRepository {
  readonly #db: Queries;

  constructor(db: Queries) {
    this.#db = db;
  }

  async tell(worker: string, state: WorkerDevice): Promise<void> {
    const { device, name, reason, allocatedBytes, memoryBytes, memorySettings } = state;
    const told = {
      device,
      name,
      reason,
      allocated_bytes: allocatedBytes,
      memory_bytes: memoryBytes,
      memory_settings: memorySettings,
    };
    await this.#db
      .insertInto('worker_devices')
      .values({ worker, ...told })
      .onConflict((conflict) =>
        conflict.column('worker').doUpdateSet({ ...told, told_at: sql<Date>`clock_timestamp()` }),
      )
      .execute();
  }

  async of(workers: readonly string[]): Promise<WorkerDeviceRecord[]> {
    const rows = await this.#db
      .selectFrom('worker_devices')
      .selectAll()
      .where('worker', '=', sql<string>`any(${[...workers]}::text[])`)
      .execute();
    return rows.map(({ allocated_bytes, memory_bytes, memory_settings, told_at, ...row }) => ({
      ...row,
      allocatedBytes: allocated_bytes,
      memoryBytes: memory_bytes,
      memorySettings: memory_settings,
      toldAt: told_at,
    }));
  }
}
