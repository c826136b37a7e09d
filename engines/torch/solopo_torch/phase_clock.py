"""Where a step's time goes, by the phases of libs/lm/src/phase-clock.ts: data, reference (a teacher), forward, loss, backward,
optimizer."""

import time
from collections.abc import Callable


class PhaseClock:
    """Gives time to phases: each lap, what has passed since the one before it."""

    def __init__(self, synchronize: Callable[[], None] = lambda: None) -> None:
        """`synchronize` waits for what a device was given to do."""
        self.seconds: dict[str, float] = {}
        self._synchronize = synchronize
        self._last = time.perf_counter()

    def lap(self, phase: str) -> None:
        self._synchronize()
        now = time.perf_counter()
        self.seconds[phase] = self.seconds.get(phase, 0.0) + now - self._last
        self._last = now
