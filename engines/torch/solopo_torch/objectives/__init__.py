"""Preference objectives with short-to-long alignment: the formulas of libs/objectives, differentiated by PyTorch."""

from .metrics import ResponseStatistics, mean_metrics, token_metrics
from .options import Context, ObjectiveOptions
from .pair_term import PairTerm, pair_term
from .reads import aligned_responses, backward_tail, prompt_read, rows_read, teacher_read, trained_context
from .rows import ROWS, MissingRowError, Row, RowName, Rows

__all__ = [
    "ROWS",
    "Context",
    "MissingRowError",
    "ObjectiveOptions",
    "PairTerm",
    "ResponseStatistics",
    "Row",
    "RowName",
    "Rows",
    "aligned_responses",
    "backward_tail",
    "mean_metrics",
    "pair_term",
    "prompt_read",
    "rows_read",
    "teacher_read",
    "token_metrics",
    "trained_context",
]
