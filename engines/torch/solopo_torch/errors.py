"""Errors that the parent knows by their class name."""


class ModelError(Exception):
    """Something about a model's files that must be put right by whoever brought them; the message names it."""


class DeviceError(Exception):
    """A device that was asked for and is not there. The message says what to do."""


class DeviceMemoryError(Exception):
    """The device has no room for what was asked of it."""


class LogitsNotFiniteError(Exception):
    """The model gives no numbers to go by."""

    def __init__(self, parameter: str | None) -> None:
        """`parameter` holds numbers which are not finite; None where all are, and the overflow is on the way."""
        self.parameter = parameter
        super().__init__(
            "the logits are not finite, though every parameter is: numbers become too large on the way; "
            "take an earlier policy version or another model"
            if parameter is None
            else f"the logits are not finite: {not_finite_in(parameter)}"
        )


class LossNotFiniteError(Exception):
    """A step that would spoil the weights."""

    def __init__(self, step: int, what: str, parameter: str | None = None) -> None:
        """`parameter` of the model holds values which are not finite: then the learning rate is not to blame."""
        self.step = step
        super().__init__(
            f"{what} of step {step} is not finite; "
            "lower the learning rate or clipNorm and start again from the last checkpoint"
            if parameter is None
            else f"{what} of step {step} is not finite: {not_finite_in(parameter)} and start again"
        )


def not_finite_in(parameter: str) -> str:
    return f'parameter "{parameter}" holds values that are not finite; mend the model\'s files'
