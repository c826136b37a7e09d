"""
Prompts and the responses that share them, in one pass.

A tree is one row [prompt | branch 0 | branch 1 ...]: the prompt is run once, with gradients, for every branch. Its mask is what
attention.py makes of the layout. Models that do not ask transformers for masks, or read more than positions and masks (state spaces,
recurrences, learned biases of distance), get each branch as a row of its own: `LanguageModel.shares_prompts` says which, found out by
a small pass when a model is loaded.

Legend of shapes: B rows, T columns, P columns of the constant prefix, N targets, d hidden size.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from .attention import Layout, Prefix
from .errors import LogitsNotFiniteError

if TYPE_CHECKING:
    from .models import LanguageModel
    from .sequence import Split

PROMPT_BRANCH = -1
"""In place of a branch's number: the target is a token of the prompt."""


@dataclass(frozen=True)
class Tree:
    """A prompt and the responses that continue it. Each response sees the prompt and itself, not the others."""

    prompt: Tensor
    branches: Sequence[Tensor]
    constant: int = 0
    """So many first tokens of the prompt are run without gradients: what the rest sees of them are constants."""

    def __len__(self) -> int:
        return len(self.prompt) + sum(len(branch) for branch in self.branches)


@dataclass(frozen=True)
class Target:
    """A token to predict, from the hidden state in `column` of `row`. Columns below 0 are of the row's prefix, -1 its last."""

    row: int
    column: int
    token: int
    tree: int
    branch: int


@dataclass(frozen=True)
class TreeBatch:
    """Trees laid out as rows, padded at the end. Positions continue from the prompt's end in every branch."""

    tokens: Tensor
    """[B, T]"""
    positions: Tensor
    """[B, T]"""
    prompt_end: Tensor
    """[B, T], in columns of keys: prefix and row."""
    branch_start: Tensor
    """[B, T], in columns of keys."""
    prefix_tokens: Tensor
    """[B, P]"""
    prefix_lengths: list[int]
    sequence_lengths: list[int]
    """Of each row: its prompt and the longest of its branches."""
    split: Split | None
    """Where ranks share the rows: the targets are those in this rank's columns."""
    shared: int
    """Columns that hold prompt tokens or nothing in every row."""
    targets: list[Target]
    own: list[int]
    """Of each target its place among those of all ranks that share the rows."""
    token_count: int
    """Tokens without padding."""

    def rows(self, chosen: Sequence[int]) -> TreeBatch:
        """Those rows alone, as wide as before."""
        place = {row: i for i, row in enumerate(chosen)}
        index = torch.tensor(list(chosen), device=self.tokens.device)
        targets = [replace(target, row=place[target.row]) for target in self.targets if target.row in place]
        return replace(
            self,
            **{
                name: getattr(self, name)[index]
                for name in ("tokens", "positions", "prompt_end", "branch_start", "prefix_tokens")
            },
            prefix_lengths=[self.prefix_lengths[row] for row in chosen],
            sequence_lengths=[self.sequence_lengths[row] for row in chosen],
            targets=targets,
            own=list(range(len(targets))),
        )


def pack(
    model: LanguageModel,
    trees: Sequence[Tree],
    *,
    score_prompt: bool = False,
    width: int | None = None,
    split: bool = True,
    prefixed: bool = False,
) -> TreeBatch:
    """
    Targets are the tokens of the branches, the first one of each predicted by the prompt's last token; with `score_prompt` those of the
    prompt but its first too, behind those of all branches.

    `width`: columns of a batch that these trees are a part of (without constant prefixes); default: as many as they need; `split`: whether
    ranks that can share the rows do; `prefixed`: whether there is a pass on constant prefixes in any case, as other ranks may have.
    """
    rows = [(i, first, row) for i, tree in enumerate(trees) for first, row in _rows_of(model, tree)]
    if not all(0 <= row.constant <= len(row.prompt) for _, _, row in rows):
        raise ValueError("a constant prefix is a part of the prompt")
    own = [len(row) - row.constant for _, _, row in rows]
    columns = max(1, *own) if width is None else width
    before = max((row.constant for _, _, row in rows), default=0)
    parts = model.split if split else None
    if prefixed:
        before = max(1, before)
    if parts is not None:
        # As many columns for every rank.
        columns, before = (-(-count // parts.parts) * parts.parts for count in (columns, before))
    table = torch.zeros((4, len(rows), columns), dtype=torch.long)
    tokens, positions, prompt_end, branch_start = table
    prefix = torch.zeros((len(rows), before), dtype=torch.long)
    targets: list[Target] = []
    prompt_targets: list[Target] = []
    for r, (tree, first_branch, row) in enumerate(rows):
        constant, length = row.constant, len(row.prompt)
        prefix[r, :constant] = row.prompt[:constant]
        end = length - constant
        tokens[r, :end] = row.prompt[constant:]
        positions[r, :end] = torch.arange(constant, length)
        prompt_end[r, end:] = before + end
        at = end
        for b, branch in enumerate(row.branches):
            stop = at + len(branch)
            tokens[r, at:stop] = branch
            positions[r, at:stop] = torch.arange(length, length + len(branch))
            branch_start[r, at:stop] = before + at
            sources = [end - 1, *range(at, stop - 1)]
            targets.extend(
                Target(r, column, token, tree, first_branch + b)
                for column, token in zip(sources, branch.tolist(), strict=False)
            )
            at = stop
        # Padding sees the prompt and itself only; nothing sees it.
        branch_start[r, at:] = before + torch.arange(at, columns)
        if score_prompt and first_branch == 0:
            prompt_targets.extend(
                Target(r, t - 1 - constant, token, tree, PROMPT_BRANCH)
                for t, token in enumerate(row.prompt.tolist())
                if t > 0
            )
    device = model.device
    targets += prompt_targets
    own_targets = list(range(len(targets)))
    if parts is not None:
        own_targets = [
            i
            for i, target in enumerate(targets)
            if (
                parts.has_column(target.column, columns)
                if target.column >= 0
                else parts.has_column(rows[target.row][2].constant + target.column, before)
            )
        ]
    return TreeBatch(
        tokens=tokens.to(device),
        positions=positions.to(device),
        prompt_end=prompt_end.to(device),
        branch_start=branch_start.to(device),
        prefix_tokens=prefix.to(device),
        prefix_lengths=[row.constant for _, _, row in rows],
        sequence_lengths=[_longest(row) for _, _, row in rows],
        shared=0 if before > 0 else min((len(row.prompt) for _, _, row in rows), default=0),
        split=parts,
        targets=[targets[i] for i in own_targets],
        own=own_targets,
        token_count=sum(len(row) for _, _, row in rows),
    )


def _longest(tree: Tree) -> int:
    return len(tree.prompt) + max((len(branch) for branch in tree.branches), default=0)


def _rows_of(model: LanguageModel, tree: Tree) -> list[tuple[int, Tree]]:
    """A tree as one row, or as one row a branch; each with the number of its first branch."""
    lengths = {len(branch) for branch in tree.branches}
    # Where every token is rotated by its sequence's length, branches of other lengths have another prompt.
    alike = len(lengths) <= 1 or _longest(tree) <= model.rotates_alike_up_to
    if len(tree.branches) < 2 or (alike and model.shares_prompts):
        return [(0, tree)]
    return [(b, replace(tree, branches=[branch])) for b, branch in enumerate(tree.branches)]


@dataclass(frozen=True)
class ResponseLogps:
    """What a pass says of its targets, in their order."""

    logps: Tensor
    """[N], float32, with gradients where they are enabled."""
    hits: Tensor
    """[N]: whether the target was the most likely token."""
    entropies: Tensor
    """[N], in nats, of the predicted distribution; empty without statistics."""
    mean_logits: Tensor
    """[N], over the vocabulary; empty without statistics."""
    targets: list[Target]
    own: list[int]
    """Of each target its place among those of all ranks that share the rows."""
    tokens: int
    """That were run, padding not counted."""
    places: dict[tuple[int, int], list[int]] = field(default_factory=dict)
    """(tree, branch) -> indices of its targets; absent for a branch without tokens."""

    def of(self, tree: int, branch: int) -> Tensor:
        """log p of each token of a response, or (PROMPT_BRANCH) of a prompt."""
        return self.logps[self.places.get((tree, branch), [])]


def target_states(model: LanguageModel, batch: TreeBatch) -> Tensor:
    """The decoder's output at the batch's targets: [N, d]."""
    groups = model.rows_rotated_alike(batch.sequence_lengths)
    if len(groups) == 1:
        return _states(model, batch)
    states: list[Tensor] = []
    order: list[int] = []
    for rows in groups:
        chosen = set(rows)
        states.append(_states(model, batch.rows(rows)))
        order.extend(i for i, target in enumerate(batch.targets) if target.row in chosen)
    return torch.cat(states)[torch.tensor(order, device=model.device).argsort()]


def _states(model: LanguageModel, batch: TreeBatch) -> Tensor:
    prefix, prefix_states = None, None
    if batch.prefix_tokens.shape[1] > 0:
        prefix, prefix_states = _run_prefix(model, batch)
    layout = Layout(
        batch.positions, batch.prompt_end, batch.branch_start, shared=batch.shared, prefix=prefix, split=batch.split
    )
    hidden = model.hidden_states(batch.tokens, layout, longest=max(batch.sequence_lengths))
    device = hidden.device
    row = torch.tensor([target.row for target in batch.targets], device=device, dtype=torch.long)
    column = torch.tensor([target.column for target in batch.targets], device=device, dtype=torch.long)
    part = 0 if batch.split is None else batch.split.part
    first = part * hidden.shape[1]
    if prefix_states is None:
        return hidden[row, column - first]
    ends = torch.tensor(batch.prefix_lengths, device=device)
    before = column < 0
    states = hidden[row, (column - first) * ~before]
    in_prefix = (ends[row] + column - part * prefix_states.shape[1]) * before
    return torch.where(before[:, None], prefix_states[row, in_prefix], states)


@torch.no_grad()
def _run_prefix(model: LanguageModel, batch: TreeBatch) -> tuple[Prefix, Tensor]:
    """What the rest sees of the prefix, layer by layer, and its last layer's output [B, P, d]."""
    count, columns = batch.prefix_tokens.shape
    kept = Prefix(torch.tensor(batch.prefix_lengths, device=batch.tokens.device), columns)
    nothing = torch.zeros_like(batch.prefix_tokens)
    layout = Layout(
        torch.arange(columns, device=batch.tokens.device).expand(count, -1),
        nothing,
        nothing,
        shared=columns,
        keep=kept,
        split=batch.split,
    )
    return kept, model.hidden_states(batch.prefix_tokens, layout, longest=max(batch.sequence_lengths))


def response_logps(model: LanguageModel, batch: TreeBatch, *, statistics: bool = False) -> ResponseLogps:
    """
    Log-probabilities of the batch's targets: the forward pass of scoring and of training.

    Raises LogitsNotFiniteError that names the parameter which is to blame.
    """
    tokens = torch.tensor([target.token for target in batch.targets], device=model.device, dtype=torch.long)
    rows = TargetRows(tokens, statistics=statistics)
    logps, more = model.within(lambda: model.head.rows(target_states(model, batch), rows))
    if not bool(torch.isfinite(logps).all()):
        raise LogitsNotFiniteError(model.find_not_finite())
    empty = logps.new_zeros(0)
    return ResponseLogps(
        logps=logps,
        hits=more.get("hits", empty),
        entropies=more.get("entropies", empty),
        mean_logits=more.get("mean_logits", empty),
        targets=batch.targets,
        own=batch.own,
        tokens=batch.token_count,
        places=places_of(batch.targets),
    )


def places_of(targets: Sequence[Target]) -> dict[tuple[int, int], list[int]]:
    """By tree and branch, which of the targets are its."""
    places: dict[tuple[int, int], list[int]] = {}
    for i, target in enumerate(targets):
        places.setdefault((target.tree, target.branch), []).append(i)
    return places


class TargetRows:
    """Of a chunk's logits [n, V]: log p of its targets [n], and statistics."""

    def __init__(self, tokens: Tensor, *, statistics: bool) -> None:
        self.tokens = tokens
        self.statistics = statistics

    def __call__(self, logits: Tensor, place: slice) -> tuple[Tensor, dict[str, Tensor]]:
        tokens = self.tokens[place]
        totals = logits.logsumexp(-1)
        logps = logits.gather(1, tokens[:, None])[:, 0] - totals
        with torch.no_grad():
            more = {"hits": logits.argmax(-1) == tokens}
            if self.statistics:
                log_probabilities = logits - totals[:, None]
                more["entropies"] = -torch.linalg.vecdot(log_probabilities.exp(), log_probabilities)
                more["mean_logits"] = logits.mean(-1)
        return logps, more
