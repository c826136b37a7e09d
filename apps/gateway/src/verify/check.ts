import type { Verification } from '@solopo/contracts';

export type Check = Verification['checks'][number];

const SHOWN = 5;

/** Collects what is wrong; without faults the check is good and says what it compared. */
export class Checking {
  readonly #faults: string[] = [];

  demand(holds: boolean, fault: string): void {
    if (!holds) this.#faults.push(fault);
  }

  result(name: string, compared: string): Check {
    const more = this.#faults.length - SHOWN;
    const told = [...this.#faults.slice(0, SHOWN), ...(more > 0 ? [`and ${more} more`] : [])];
    return { name, ok: told.length === 0, detail: told.length === 0 ? compared : told.join('; ') };
  }
}
