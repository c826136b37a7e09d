from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from families import FAMILIES
from transformers import AutoModelForCausalLM

from solopo_torch.errors import DeviceMemoryError, LogitsNotFiniteError, ModelError
from solopo_torch.groups import Clock
from solopo_torch.models import LanguageModel
from solopo_torch.scoring import Cut, InspectedRow, inspect, measure, score
from solopo_torch.trees import Tree

Opened = Callable[..., LanguageModel]

TREES = [
    Tree(torch.arange(3, 3 + length) % 50 + 3, [torch.arange(5, 9), torch.arange(20, 22)]) for length in (8, 20, 5, 9)
]


def ignore(_: int) -> None:
    pass


def test_the_numbers_do_not_depend_on_how_the_work_is_cut(opened: Opened) -> None:
    model = opened("llama")
    told: list[int] = []
    whole = score(model, TREES, Cut(batch_tokens=52), told.append)
    assert told == [2, 4]
    parts = [
        *score(model, TREES, Cut(52, end=1), ignore),
        *score(model, TREES, Cut(52, first=1, clock=Clock(0)), ignore),
        *score(model, TREES, Cut(52, first=2, end=3), ignore),
        *score(model, TREES, Cut(52, first=3), ignore),
    ]
    assert [[branch.tolist() for branch in tree] for tree in parts] == [
        [branch.tolist() for branch in tree] for tree in whole
    ]


def test_statistics_are_sums_over_each_response(opened: Opened) -> None:
    model = opened("granite")
    measured = measure(model, TREES, Cut(1000), True, ignore)
    for tree, found in zip(TREES, measured, strict=True):
        for branch, statistics in zip(tree.branches, found["branches"], strict=True):
            row = torch.cat([tree.prompt, branch])
            with torch.no_grad():
                logits = model.causal(row[None], use_cache=False).logits[0].float()
            logps = logits.log_softmax(-1)
            at = slice(len(tree.prompt) - 1, len(row) - 1)
            assert statistics["tokens"] == len(branch)
            assert statistics["hits"] == int((logits[at].argmax(-1) == branch).sum())
            for name, expected in {
                "logp": logps[at].gather(1, branch[:, None]).sum(),
                "entropy": -(logps[at].exp() * logps[at]).sum(),
                "meanLogit": logits[at].mean(-1).sum(),
            }.items():
                assert statistics[name] == pytest.approx(float(expected), abs=1e-4)
        assert found["prompt"]["tokens"] == len(tree.prompt) - 1
    assert measure(model, TREES[:1], Cut(1000), False, ignore)[0]["prompt"] is None


@pytest.mark.parametrize(
    "family", [family for family in FAMILIES if family not in ("bloom", "falcon", "mamba", "gpt_oss")]
)
def test_attention_is_where_the_eager_model_has_it(family: str, opened: Opened, folder_of: Callable[..., str]) -> None:
    prompt, response = torch.arange(3, 23), torch.arange(30, 36)
    found = inspect(opened(family), InspectedRow(prompt, response, [(2, 5), (11, 12)]))
    reference = AutoModelForCausalLM.from_pretrained(folder_of(family), attn_implementation="eager").eval()
    with torch.no_grad():
        out = reference(torch.cat([prompt, response])[None], output_attentions=True, use_cache=False)
    evidence = torch.zeros(26, dtype=torch.bool)
    evidence[2:5] = evidence[11:12] = True
    for layer, attention in enumerate(out.attentions):
        mean = attention[0, :, 19:25].mean((0, 1))
        expected = (mean[evidence].sum(), mean[:20][~evidence[:20]].sum(), mean[20:].sum())
        mass = found["attention"][layer]
        for share, value in zip((mass["evidence"], mass["rest"], mass["response"]), expected, strict=True):
            assert share == pytest.approx(float(value), abs=1e-5)
        assert sum(mass.values()) == pytest.approx(1, abs=1e-5)
    assert len(found["logps"]) == 6


def test_a_model_without_attention_says_that_it_has_none_to_show(opened: Opened) -> None:
    with pytest.raises(ModelError, match="with a model that has attention"):
        inspect(opened("mamba"), InspectedRow(torch.arange(3, 9), torch.arange(3, 5), []))


def test_logits_that_are_not_finite_name_the_parameter(opened: Opened) -> None:
    model = opened("olmo2")
    weight = model.causal.get_parameter("model.layers.1.mlp.up_proj.weight")
    weight.data[3, 4] = float("nan")
    with pytest.raises(LogitsNotFiniteError, match=r'"model\.layers\.1\.mlp\.up_proj\.weight"'):
        score(model, TREES, Cut(1000), ignore)


def test_a_group_that_has_no_room_is_halved(opened: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    model = opened("llama")
    expected = score(model, TREES, Cut(1), ignore)
    run = LanguageModel.hidden_states

    def full(self: LanguageModel, tokens: torch.Tensor, *more: object, **named: object) -> torch.Tensor:
        if len(tokens) > 1:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried")
        return run(self, tokens, *more, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(LanguageModel, "hidden_states", full)
    found = score(model, TREES, Cut(1000), ignore)
    assert [[branch.tolist() for branch in tree] for tree in found] == [
        [branch.tolist() for branch in tree] for tree in expected
    ]

    def fuller(*_: object, **__: object) -> torch.Tensor:
        raise RuntimeError("[enforce fail at alloc_cpu.cpp:127] DefaultCPUAllocator: can't allocate memory: you tried")

    monkeypatch.setattr(LanguageModel, "hidden_states", fuller)
    with pytest.raises(DeviceMemoryError, match="no room for 14 tokens"):
        score(model, TREES, Cut(1000), ignore)
