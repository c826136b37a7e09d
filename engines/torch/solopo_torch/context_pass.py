"""One context of a group of pairs, run forward and, once the loss is known, backward."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain

import torch
from torch import Tensor

from .distil import DivergenceRows, Teaching
from .errors import LogitsNotFiniteError
from .models import LanguageModel
from .objectives import Context, ObjectiveOptions, PairTerm, ResponseStatistics, Row, RowName, prompt_read, rows_read
from .training_pairs import TrainingPair, has_constants, places_of
from .trees import PROMPT_BRANCH, TargetRows, Tree, TreeBatch, pack, target_states

NOTHING = Tree(torch.zeros(1, dtype=torch.long), [torch.zeros(1, dtype=torch.long)])


@dataclass(frozen=True)
class ScoredRow:
    pair: int
    """Its index in the group."""
    name: RowName
    row: Row
    statistics: ResponseStatistics


@dataclass(frozen=True)
class ContextBatch:
    """A context's trees of a group of pairs, laid out."""

    trees: TreeBatch
    sums: list[tuple[int, RowName]]
    """For each target the pair and the row that it is summed into; none of a batch of nothing, whose target is read by nobody."""
    tokens: int
    """Of the pairs, padding not counted."""


def lay_out(
    model: LanguageModel, options: ObjectiveOptions, group: Sequence[TrainingPair], context: Context
) -> ContextBatch | None:
    """None where nothing of the context is read; a batch of nothing where other ranks may have pairs of which something is."""
    places = [
        place for i, pair in enumerate(group) for place in places_of(options, pair, i) if place.context == context
    ]
    prefixed = model.ranks.count > 1 and context == "long" and has_constants(options)
    if not places:
        together = model.ranks.count > 1 and any(row.startswith(context) for row in rows_read(options, True))
        return ContextBatch(pack(model, [NOTHING], prefixed=prefixed), [], tokens=0) if together else None
    prompt = f"{context}Prompt"
    trees = pack(
        model, [place.tree for place in places], score_prompt=prompt_read(options) == prompt, prefixed=prefixed
    )
    return ContextBatch(
        trees,
        [
            (
                places[target.tree].pair,
                prompt if target.branch == PROMPT_BRANCH else places[target.tree].rows[target.branch],
            )
            for target in trees.targets
        ],
        trees.token_count,
    )


class ContextPass:
    """Keeps its graph until it has run backward."""

    def __init__(self, batch: ContextBatch, rows: list[ScoredRow], values: Tensor) -> None:
        self.rows = rows
        self._batch = batch
        self._values: Tensor | None = values

    def backward(self, terms: Sequence[PairTerm], pairs: int) -> None:
        """Adds the gradients of the mean over `pairs` of the pairs' losses."""
        values, self._values = self._values, None
        assert values is not None, "a pass runs backward once"
        slopes = [terms[pair].gradients.get(name, 0.0) / pairs for pair, name in self._batch.sums]
        slopes += [0.0] * (len(values) - len(slopes))
        values.backward(torch.tensor(slopes, dtype=values.dtype, device=values.device))


def run_forward(
    model: LanguageModel, batch: ContextBatch, group: Sequence[TrainingPair], teaching: Teaching | None
) -> ContextPass:
    """Raises LogitsNotFiniteError that names the parameter which is to blame."""
    trees = batch.trees
    tokens = torch.tensor([target.token for target in trees.targets], device=model.device, dtype=torch.long)
    rows_of = (
        TargetRows(tokens, statistics=True) if teaching is None else DivergenceRows(teaching.of(trees.own), tokens)
    )
    values, more = model.within(lambda: model.head.rows(target_states(model, trees), rows_of))
    nothing = values.new_zeros(len(values))
    logps = values if teaching is None else more.get("logps", nothing)
    if not bool(torch.isfinite(logps).all()):
        raise LogitsNotFiniteError(model.find_not_finite())
    columns = [logps, *(more.get(name, nothing) for name in ("hits", "entropies", "mean_logits")), values]
    table = torch.stack([column.detach().double() for column in columns], 1).tolist()
    sums: dict[tuple[int, RowName], list[float]] = {}
    found = model.ranks.of_sequence([(*place, *row) for place, row in zip(batch.sums, table, strict=False)])
    # In the targets' order, whatever rank has them: sums are the same bits at every rank.
    for pair, name, *numbers in chain.from_iterable(found):
        total = sums.setdefault((pair, name), [0.0] * 6)
        for i, number in enumerate((1.0, *numbers)):
            total[i] += number
    rows = [
        ScoredRow(
            pair,
            name,
            Row(
                _leaf(logp),
                int(count),
                group[pair]["reference"].get(name),
                None if teaching is None else _leaf(value),
            ),
            ResponseStatistics(int(count), logp, hits, entropy, mean_logit),
        )
        for (pair, name), (count, logp, hits, entropy, mean_logit, value) in sums.items()
    ]
    return ContextPass(batch, rows, values)


def _leaf(value: float) -> Tensor:
    return torch.tensor(value, dtype=torch.float64, requires_grad=True)
