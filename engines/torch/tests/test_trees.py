from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from families import FAMILIES
from torch import Tensor
from transformers import AutoModelForCausalLM

from solopo_torch.models import LanguageModel
from solopo_torch.trees import PROMPT_BRANCH, Tree, pack, response_logps

APART = {"bloom", "falcon", "mamba"}

Opened = Callable[..., LanguageModel]


def tokens(length: int, salt: int) -> Tensor:
    return torch.tensor([(i * i * 7 + salt * 13 + i * 3) % 57 + 3 for i in range(length)])


TREES = [
    Tree(tokens(17, 1), [tokens(5, 2), tokens(3, 3)]),
    Tree(tokens(11, 4), [tokens(8, 5)]),
    Tree(tokens(14, 6), [tokens(1, 7), tokens(6, 8), tokens(2, 9)]),
]


def apart(folder: Path, trees: list[Tree]) -> dict[tuple[int, int], Tensor]:
    """What transformers says of each row by itself."""
    model = AutoModelForCausalLM.from_pretrained(folder).eval()
    found = {}
    for t, tree in enumerate(trees):
        for b, branch in enumerate(tree.branches):
            row = torch.cat([tree.prompt, branch])
            with torch.no_grad():
                logps = model(row[None], use_cache=False).logits[0].float().log_softmax(-1)
            found[t, b] = logps[:-1].gather(1, row[1:, None])[-len(branch) :, 0]
            found[t, PROMPT_BRANCH] = logps[:-1].gather(1, row[1:, None])[: len(tree.prompt) - 1, 0]
    return found


@pytest.mark.parametrize("family", FAMILIES)
def test_a_tree_has_the_log_probabilities_of_its_rows_apart(
    family: str, opened: Opened, folder_of: Callable[..., Path]
) -> None:
    model = opened(family)
    assert model.shares_prompts == (family not in APART)
    found = response_logps(model, pack(model, TREES, score_prompt=True), statistics=True)
    expected = apart(folder_of(family), TREES)
    for place, logps in expected.items():
        torch.testing.assert_close(found.of(*place), logps, atol=1e-5, rtol=0)
    assert len(found.logps) == sum(len(logps) for logps in expected.values())


@pytest.mark.parametrize("family", [family for family in FAMILIES if family not in APART])
def test_a_constant_prefix_changes_no_log_probability(
    family: str, opened: Opened, folder_of: Callable[..., Path]
) -> None:
    model = opened(family)
    # A part of the prompt, none of it, all of it.
    trees = [
        Tree(tree.prompt, tree.branches, constant)
        for tree, constant in zip(TREES, (9, 0, len(TREES[2].prompt)), strict=True)
    ]
    found = response_logps(model, pack(model, trees, score_prompt=True))
    for place, logps in apart(folder_of(family), TREES).items():
        torch.testing.assert_close(found.of(*place), logps, atol=1e-5, rtol=0)


def gradients(model: LanguageModel, passes: list[Tree], weights: list[list[float]]) -> dict[str, Tensor]:
    parameters = {name: p for name, p in model.causal.named_parameters() if "lm_head" not in name}
    for parameter in parameters.values():
        parameter.requires_grad_().grad = None
    for tree, factors in zip(passes, weights, strict=True):
        scores = response_logps(model, pack(model, [tree]))
        loss = sum(factor * scores.of(0, b).sum() for b, factor in enumerate(factors))
        assert isinstance(loss, Tensor)
        loss.backward()
    found = {name: p.grad.clone() for name, p in parameters.items() if p.grad is not None}
    for parameter in parameters.values():
        parameter.requires_grad_(False).grad = None
    return found


@pytest.mark.parametrize("family", [family for family in FAMILIES if family not in APART])
def test_a_tree_has_the_gradients_of_its_rows_apart(family: str, opened: Opened) -> None:
    model = opened(family)
    tree = TREES[0]
    together = gradients(model, [tree], [[1.0, -2.0]])
    alone = gradients(model, [Tree(tree.prompt, [branch]) for branch in tree.branches], [[1.0], [-2.0]])
    assert together.keys() == alone.keys()
    for name, gradient in alone.items():
        scale = float(gradient.abs().max())
        torch.testing.assert_close(together[name], gradient, atol=1e-4 * scale + 1e-6, rtol=0)


def test_what_stands_in_a_constant_prefix_has_no_gradient(opened: Opened) -> None:
    model = opened("llama")
    embedding = model.causal.get_input_embeddings().weight
    embedding.requires_grad_()
    prompt, branch = torch.arange(3, 15), torch.arange(20, 25)
    for constant, first in ((0, 3), (7, 10), (12, 15)):
        embedding.grad = None
        response_logps(model, pack(model, [Tree(prompt, [branch], constant)])).logps.sum().backward()
        touched = embedding.grad.abs().sum(-1).nonzero()[:, 0].tolist()
        # The last response token is predicted, not read.
        assert touched == [*range(first, 15), 20, 21, 22, 23]


def test_checkpointed_layers_have_the_same_gradients_behind_a_constant_prefix(opened: Opened) -> None:
    model = opened("mistral")
    tree = Tree(TREES[0].prompt, TREES[0].branches, 9)
    plain = gradients(model, [tree], [[1.0, -2.0]])
    model.causal.activation_checkpointing_enable({"use_reentrant": False})
    model.module.train()
    again = gradients(model, [tree], [[1.0, -2.0]])
    for name, gradient in plain.items():
        torch.testing.assert_close(again[name], gradient)


@pytest.mark.parametrize("kind", ["dynamic", "longrope"])
def test_rows_are_rotated_by_their_own_lengths_whatever_is_run_beside_or_before(
    kind: str, opened: Opened, folder_of: Callable[..., Path]
) -> None:
    rope = {"rope_type": kind, "rope_theta": 10000.0, "factor": 4.0, "original_max_position_embeddings": 18}
    if kind == "longrope":
        rope |= {"short_factor": [1.0] * 4, "long_factor": [4.0] * 4}
    changes = {"rope_parameters": rope, "max_position_embeddings": 72 if kind == "longrope" else 18}
    family = "phi3" if kind == "longrope" else "llama"
    if kind == "longrope":
        changes["original_max_position_embeddings"] = 18
    model = opened(family, **changes)
    assert model.shares_prompts
    expected = {}
    for t, tree in enumerate(TREES):
        for b, branch in enumerate(tree.branches):
            expected[t, b] = apart(folder_of(family, **changes), [Tree(tree.prompt, [branch])])[0, 0]
    for constants in ((0, 0, 0), (9, 4, 14)):
        trees = [Tree(tree.prompt, tree.branches, c) for tree, c in zip(TREES, constants, strict=True)]
        found = response_logps(model, pack(model, trees))
        for place, logps in expected.items():
            torch.testing.assert_close(found.of(*place), logps, atol=1e-5, rtol=0)


def test_windows_are_worked_off_in_blocks(opened: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    model = opened("mistral")
    trees = [Tree(tokens(200, 1), [tokens(4, 2), tokens(7, 3)])]
    whole = response_logps(model, pack(model, trees)).logps
    monkeypatch.setattr("solopo_torch.attention._QUERY_BLOCK", 16)
    torch.testing.assert_close(response_logps(model, pack(model, trees)).logps, whole, atol=1e-5, rtol=0)
