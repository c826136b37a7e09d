"""Preference pairs as the trainer needs them, and the trees that give an arm's rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NotRequired, TypedDict

import torch

from .objectives import Context, ObjectiveOptions, RowName, aligned_responses, backward_tail, rows_read, teacher_read
from .trees import Tree


class TrainingPair(TypedDict):
    """Contexts that the arm does not read may be absent. Token ids are int32 arrays [T]."""

    short: NotRequired[Any]
    long: NotRequired[Any]
    chosen: Any
    rejected: Any
    aligned: NotRequired[bool]
    """Whether it is of the aligned fraction; others run their short rows alone. True when absent."""
    reference: Mapping[RowName, float]
    """Summed reference log-probabilities of the rows that the objective reads."""


@dataclass(frozen=True)
class Place:
    """A tree of a pair: its responses share the prompt."""

    pair: int
    """Its index in the group."""
    context: Context
    tree: Tree
    rows: tuple[RowName, ...]
    """The row that each branch is."""


def places_of(options: ObjectiveOptions, pair: TrainingPair, index: int = 0) -> list[Place]:
    """The trees that give the arm's rows: at most one under each context."""
    wanted = rows_read(options, pair.get("aligned", True))
    contexts: tuple[Context, ...] = ("short", "long")
    places = []
    for context in contexts:
        rows = tuple(row for row in wanted if row.startswith(context))
        if rows:
            places.append(Place(index, context, _tree(options, pair, context, rows), rows))
    return places


def has_constants(options: ObjectiveOptions) -> bool:
    """Whether a part of the long prompts is run without gradients."""
    return backward_tail(options) is not None and bool(aligned_responses(options["arm"]))


def tokens_of(options: ObjectiveOptions, pair: TrainingPair) -> int:
    return sum(len(place.tree) for place in places_of(options, pair))


def teacher_tree(options: ObjectiveOptions, pair: TrainingPair) -> Tree | None:
    """What the frozen reference runs to be the teacher of the trained row, if it is one."""
    row = teacher_read(options)
    return None if row is None else _tree(options, pair, "short", (row,))


def _tree(options: ObjectiveOptions, pair: TrainingPair, context: Context, rows: tuple[RowName, ...]) -> Tree:
    if context not in pair:
        raise ValueError(f"the {options['arm']} arm reads the {context} context, which the pair does not have")
    prompt = torch.as_tensor(pair[context])
    # Where the long row is there to be aligned, what its gradient reaches is an option.
    tail = backward_tail(options) if context == "long" and has_constants(options) else None
    return Tree(
        prompt,
        [torch.as_tensor(pair["chosen" if row.endswith("Chosen") else "rejected"]) for row in rows],
        constant=0 if tail is None else max(0, len(prompt) - tail),
    )
