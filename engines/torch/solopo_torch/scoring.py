"""Log-probabilities of responses: the forward pass that training uses, without gradients."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from .attention import Layout, Watch
from .errors import LogitsNotFiniteError, ModelError
from .groups import Clock, group_by_tokens, in_groups
from .models import LanguageModel
from .ranks import Ranks
from .trees import PROMPT_BRANCH, ResponseLogps, TargetRows, Tree, pack, places_of, response_logps

Done = Callable[[int], None]


@dataclass(frozen=True)
class Cut:
    """Which of the trees are worked on. Batches are made of all of them."""

    batch_tokens: int
    first: int = 0
    end: int | None = None
    clock: Clock = Clock(None)  # noqa: RUF009 - never over


@torch.no_grad()
def score(model: LanguageModel, trees: Sequence[Tree], cut: Cut, on_done: Done) -> list[list[NDArray[np.float32]]]:
    """For each tree, for each branch, log p of each token; of the first trees of the range alone where the time was over."""

    def run(group: list[Tree]) -> list[list[NDArray[np.float32]]]:
        found = together(model, response_logps(model, pack(model, group)))
        return [[found.of(t, b).cpu().numpy() for b in range(len(tree.branches))] for t, tree in enumerate(group)]

    return _in_groups(model, trees, cut, run, on_done)


@torch.no_grad()
def measure(
    model: LanguageModel, trees: Sequence[Tree], cut: Cut, score_prompt: bool, on_done: Done
) -> list[dict[str, Any]]:
    """As score, with each response's tokens added up and what else the logits say of them; the prompts' own tokens too, if asked."""

    def run(group: list[Tree]) -> list[dict[str, Any]]:
        found = together(model, response_logps(model, pack(model, group, score_prompt=score_prompt), statistics=True))
        return [
            {
                "branches": [statistics_of(found, t, b) for b in range(len(tree.branches))],
                "prompt": statistics_of(found, t, PROMPT_BRANCH) if score_prompt else None,
            }
            for t, tree in enumerate(group)
        ]

    return _in_groups(model, trees, cut, run, on_done)


def together(model: LanguageModel, found: ResponseLogps) -> ResponseLogps:
    """With the targets of all ranks that share the sequences."""
    if model.ranks.sequence_ranks == 1:
        return found
    parts = model.ranks.of_sequence(
        replace(
            found,
            logps=found.logps.cpu(),
            hits=found.hits.cpu(),
            entropies=found.entropies.cpu(),
            mean_logits=found.mean_logits.cpu(),
        )
    )
    own = torch.tensor([place for part in parts for place in part.own], dtype=torch.long).argsort()

    def joined(name: str) -> torch.Tensor:
        column = torch.cat([getattr(part, name) for part in parts])
        # Statistics are empty where they were not asked for.
        return column[own] if len(column) == len(own) else column

    targets = [target for part in parts for target in part.targets]
    targets = [targets[i] for i in own.tolist()]
    return ResponseLogps(
        logps=joined("logps"),
        hits=joined("hits"),
        entropies=joined("entropies"),
        mean_logits=joined("mean_logits"),
        targets=targets,
        own=list(range(len(targets))),
        tokens=found.tokens,
        places=places_of(targets),
    )


def statistics_of(found: ResponseLogps, tree: int, branch: int) -> dict[str, float]:
    """Sums over the tokens of a response, or prompt, in double precision."""
    places = found.places.get((tree, branch), [])

    def total(column: torch.Tensor) -> float:
        return float(column.detach()[places].double().sum())

    return {
        "tokens": len(places),
        "logp": total(found.logps),
        "hits": int(total(found.hits)),
        "entropy": total(found.entropies),
        "meanLogit": total(found.mean_logits),
    }


def _in_groups(
    model: LanguageModel, trees: Sequence[Tree], cut: Cut, run: Callable[[list[Tree]], list[Any]], on_done: Done
) -> list[Any]:
    groups = group_by_tokens(trees, len, cut.batch_tokens)
    ranks = model.ranks
    if ranks.count == 1:
        return in_groups(groups, len, run, clock=cut.clock, first=cut.first, end=cut.end, on_done=on_done)
    size = ranks.data_ranks
    rounds = [list(chain.from_iterable(groups[i : i + size])) for i in range(0, len(groups), size)]

    def run_round(items: list[Tree]) -> list[Any]:
        # The same groups again: a group ends where the next tree has no room, whatever was before.
        shares = group_by_tokens(items, len, cut.batch_tokens)
        own = ranks.data_rank
        found = ranks.of_data(run(shares[min(own, len(shares) - 1)]))
        return list(chain.from_iterable(found[: len(shares)]))

    clock = CommonClock(cut.clock, ranks)
    return in_groups(rounds, len, run_round, clock=clock, first=cut.first, end=cut.end, on_done=on_done, halves=False)


class CommonClock:
    """The first rank's."""

    def __init__(self, clock: Clock, ranks: Ranks) -> None:
        self._clock = clock
        self._ranks = ranks

    @property
    def is_over(self) -> bool:
        return self._ranks.of_first(lambda: self._clock.is_over)


@dataclass(frozen=True)
class InspectedRow:
    prompt: torch.Tensor
    response: torch.Tensor
    evidence: Sequence[tuple[int, int]]
    """Tokens of the prompt, from up to, not including."""


@torch.no_grad()
def inspect(model: LanguageModel, row: InspectedRow) -> dict[str, Any]:
    """
    Log-probabilities of a response, and where the model looked for it: by layer the shares of attention, mean over its heads and over
    the places that predict the response. They add up to 1, but where a layer has sinks.
    """
    if not model.shares_prompts:
        raise ModelError(
            f"{type(model.causal).__name__} does not tell where its layers look; inspect pairs with a model that has attention"
        )
    prompt, response = row.prompt, row.response
    length, end = len(prompt), len(prompt) + len(response)
    groups = torch.zeros((end, 3), device=model.device)
    is_evidence = torch.zeros(length, dtype=torch.bool)
    for start, stop in row.evidence:
        is_evidence[start:stop] = True
    groups[:length][is_evidence, 0] = 1
    groups[:length][~is_evidence, 1] = 1
    groups[length:, 2] = 1
    # The prompt's last place predicts the first token; the response's last place predicts nothing that is asked.
    watch = Watch(first=length - 1, end=end - 1, groups=groups)
    tokens = torch.cat([prompt, response]).to(model.device)
    nothing = torch.zeros((1, end), dtype=torch.long, device=model.device)
    positions = torch.arange(end, device=model.device)[None]
    layout = Layout(positions, nothing, nothing, shared=end, watch=watch)
    hidden = model.hidden_states(tokens[None], layout, longest=end)[0, length - 1 : end - 1]
    logps, _ = model.head.rows(hidden, TargetRows(tokens[length:], statistics=False))
    if not bool(torch.isfinite(logps).all()):
        raise LogitsNotFiniteError(model.find_not_finite())
    return {
        "logps": logps.cpu().numpy(),
        "attention": [
            dict(zip(("evidence", "rest", "response"), mass.tolist(), strict=True))
            for _, mass in sorted(watch.masses.items())
        ],
    }
