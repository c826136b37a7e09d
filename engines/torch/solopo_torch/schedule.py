"""The learning rate over a run (libs/lm/src/schedule.ts)."""

import math
from typing import Literal, TypedDict


class ScheduleOptions(TypedDict):
    learningRate: float
    schedule: Literal["constant", "linear", "cosine", "constant-then-linear"]
    warmupRatio: float
    finalLearningRateRatio: float


def learning_rate_at(options: ScheduleOptions, step: int, steps: int) -> float:
    """Of step 1..steps: linear warm-up to the peak, then constant, or down to `finalLearningRateRatio` of it."""
    peak, end = options["learningRate"], options["finalLearningRateRatio"]
    warmup = math.ceil(steps * options["warmupRatio"])
    if step <= warmup:
        return peak * step / warmup
    progress = (step - warmup) / max(1, steps - warmup)
    match options["schedule"]:
        case "constant":
            return peak
        case "linear":
            return peak * (1 - (1 - end) * progress)
        case "constant-then-linear":
            return peak if step <= steps / 2 else peak * (1 - (1 - end) * (2 * step / steps - 1))
        case "cosine":
            return peak * (end + (1 - end) * 0.5 * (1 + math.cos(math.pi * progress)))
