"""What a run's objective says, as the engine's protocol writes it (libs/objectives)."""

from typing import Literal, NotRequired, TypeAlias, TypedDict

Arm: TypeAlias = Literal["sft", "short", "long", "expand-long", "solo", "solo-both", "distil"]
Context: TypeAlias = Literal["short", "long"]


class DpoOptions(TypedDict):
    kind: Literal["dpo"]
    beta: float
    loss: Literal["sigmoid", "ipo", "hinge"]
    labelSmoothing: float


class SimpoOptions(TypedDict):
    kind: Literal["simpo"]
    beta: float
    gamma: float


class OrpoOptions(TypedDict):
    kind: Literal["orpo"]
    beta: float
    nllWeight: float
    nll: Literal["response", "all"]


class SftOptions(TypedDict):
    kind: Literal["sft"]
    context: Context


class DistilOptions(TypedDict):
    """KL(pi(. | x_long, y_<t) || pi_ref(. | x_short, y_<t)) over the vocabulary, the mean over an answer's tokens (arXiv 2604.17535)."""

    kind: Literal["distil"]


class Tail(TypedDict):
    tail: int


PreferenceObjective: TypeAlias = DpoOptions | SimpoOptions | OrpoOptions
Objective: TypeAlias = PreferenceObjective | SftOptions | DistilOptions


class AlignmentOptions(TypedDict):
    """L_RA = alpha / fraction D(r(x_short, y) - r(x_long, y)): see `alignment`."""

    alpha: float
    reference: Literal["shared", "per-context"]
    distance: Literal["absolute", "squared", "smooth-l1"]
    sides: Literal["two", "one"]
    detach: Literal["none", "short"]
    deadZone: float
    fraction: float
    backward: NotRequired[Literal["full", "response"] | Tail]


class ObjectiveOptions(TypedDict):
    arm: Arm
    objective: Objective
    alignment: AlignmentOptions
