"""The four rows of a pair: a response (chosen w, rejected l) under a context (short, long); and the contexts' own tokens."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

from torch import Tensor

ROWS = ("shortChosen", "shortRejected", "longChosen", "longRejected")

RowName: TypeAlias = str
"""One of ROWS, or `shortPrompt`, `longPrompt`: a context's own tokens, which an objective may score too."""


@dataclass(frozen=True)
class Row:
    """One row's log-probabilities, summed over its `tokens` response tokens."""

    policy: Tensor
    """sum_t log pi(y_t | x, y_<t): a scalar in double precision, which a loss is differentiated by."""
    tokens: int
    reference: float | None = None
    """sum_t log pi_ref(y_t | x, y_<t); read only where the objective needs it."""
    kl: Tensor | None = None
    """sum_t KL(pi(. | x, y_<t) || pi_ref(. | x_short, y_<t)), as `policy`; read only where the objective needs it."""

    @property
    def value(self) -> float:
        return self.policy.item()


Rows: TypeAlias = Mapping[RowName, Row]


class MissingRowError(Exception):
    pass


def row_of(rows: Rows, name: RowName) -> Row:
    if name not in rows:
        raise MissingRowError(
            f'the objective reads row "{name}", which was not run; run every row that rows_read() and prompt_read() name'
        )
    return rows[name]


def reference_of(rows: Rows, name: RowName) -> float:
    reference = row_of(rows, name).reference
    if reference is None:
        raise MissingRowError(
            f'the objective reads the reference of row "{name}", which was not scored; score every row that the objective'
            " asks a reference of"
        )
    return reference


def divergence_of(rows: Rows, name: RowName) -> Tensor:
    kl = row_of(rows, name).kl
    if kl is None:
        raise MissingRowError(
            f'the objective reads how far row "{name}" is from its teacher, which was not run; run the teacher on the answer'
            " that teacher_read() names"
        )
    return kl
