// What processes hold, by /proc of Linux.
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';

/** Of processes that load a model and then work with it, by the one that has most. */
export class PeakMemory {
  #processes = [];
  #whileLoading = 0;

  /** The model is there: what loading took says nothing of what comes after it. */
  loaded(pids) {
    this.#whileLoading = Math.max(...pids.map(peak));
    this.#processes = pids.map((pid) => {
      writeFileSync(`/proc/${pid}/clear_refs`, '5');
      return { pid, before: ofStatus(pid, 'VmRSS') };
    });
  }

  /** Bytes at the fullest moment, loading or working. */
  get peak() {
    return Math.max(this.#whileLoading, ...this.#processes.map(({ pid }) => peak(pid)));
  }

  /** Bytes at the fullest moment of the work, above those of the loaded model. */
  get grown() {
    return Math.max(...this.#processes.map(({ pid, before }) => peak(pid) - before));
  }
}

export const children = (pid) =>
  readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && parentOf(name) === pid)
    .map(Number);

const peak = (pid) => ofStatus(pid, 'VmHWM');
const ofStatus = (pid, which) =>
  1024 * Number(new RegExp(`${which}:\\s+(\\d+)`).exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0);

/** 0 of a process that has just ended. */
function parentOf(pid) {
  try {
    return Number(/PPid:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]);
  } catch {
    return 0;
  }
}
