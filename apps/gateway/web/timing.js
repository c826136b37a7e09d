/** Runs a task once for all calls within the time. */
export function soon(task, ms) {
  let timer = null;
  return () => {
    timer ??= setTimeout(() => {
      timer = null;
      // The stream tells again, or comes back and reads everything.
      task().catch(() => undefined);
    }, ms);
  };
}

/** Runs a task at most once a frame. */
export function perFrame(task) {
  let waiting = false;
  return () => {
    if (waiting) return;
    waiting = true;
    requestAnimationFrame(() => {
      waiting = false;
      task();
    });
  };
}
