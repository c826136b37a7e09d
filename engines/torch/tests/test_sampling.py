from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from families import FAMILIES
from transformers import AutoModelForCausalLM

from solopo_torch.groups import Clock
from solopo_torch.models import LanguageModel
from solopo_torch.philox import uniforms
from solopo_torch.sampling import Limits, Prompt, SamplingOptions, sample
from solopo_torch.token_distribution import candidates, draw
from solopo_torch.trees import Tree, pack, response_logps

Opened = Callable[..., LanguageModel]

PROMPTS = [
    Prompt(torch.arange(3, 3 + length) * 7 % 57 + 3, (length, 0xFFFFFFFF - length)) for length in (12, 5, 9, 17, 5)
]
ANY = Limits(batch_tokens=10**6)


def options(**changes: Any) -> SamplingOptions:
    base = {"samples_per_prompt": 3, "temperature": 0.9, "top_p": 0.95, "max_new_tokens": 9, "seed": 5}
    return SamplingOptions(**{**base, "eos_ids": frozenset({2, 40}), **changes})


def ignore(_: int) -> None:
    pass


@pytest.mark.parametrize("family", FAMILIES)
def test_greedy_answers_are_those_of_transformers(family: str, opened: Opened, folder_of: Callable[..., Path]) -> None:
    model = opened(family)
    greedy = options(samples_per_prompt=2, temperature=0)
    found = sample(model, PROMPTS, greedy, ANY, ignore)
    reference = AutoModelForCausalLM.from_pretrained(folder_of(family)).eval()
    for prompt, answers in zip(PROMPTS, found, strict=True):
        expected = reference.generate(
            prompt.tokens[None],
            attention_mask=torch.ones_like(prompt.tokens[None]),
            do_sample=False,
            max_new_tokens=9,
            eos_token_id=[2, 40],
            pad_token_id=0,
        )[0, len(prompt.tokens) :].tolist()
        stopped = expected[-1] in (2, 40)
        for answer in answers:
            assert answer["tokens"].tolist() == (expected[:-1] if stopped else expected)
            assert answer["finish"] == ("stop" if stopped else "length")
            assert answer["logp"] == 0


@pytest.mark.parametrize("family", ["llama", "gemma3", "gpt_oss", "mamba"])
def test_each_draw_takes_its_own_random_number_and_its_log_probability_is_the_models(
    family: str, opened: Opened
) -> None:
    model = opened(family)
    given = options()
    found = sample(model, PROMPTS, given, ANY, ignore)
    assert len({tuple(answer["tokens"].tolist()) for answers in found for answer in answers}) > 5
    for prompt, answers in zip(PROMPTS, found, strict=True):
        for index, answer in enumerate(answers):
            drawn = answer["tokens"].tolist()
            logp = 0.0
            for t in range(len(drawn) + (answer["finish"] == "stop")):
                row = torch.cat([prompt.tokens, torch.tensor(drawn[:t], dtype=torch.long)])
                with torch.no_grad():
                    logits = model.causal(row[None], use_cache=False).logits[0, -1].float()
                u = uniforms(
                    np.array([[*prompt.key, t, 0]], dtype=np.uint64), np.array([[given.seed, index]], dtype=np.uint64)
                )[0]
                token, token_logp = draw(candidates(logits[None], 0.9, 0.95)[0], 0.9, 0.95, float(u))
                logp += token_logp
                assert token == drawn[t] if t < len(drawn) else token in given.eos_ids
            assert answer["logp"] == pytest.approx(logp, abs=1e-4)
            if answer["finish"] == "length":
                tree = Tree(prompt.tokens, [torch.from_numpy(answer["tokens"]).long()])
                scored = float(response_logps(model, pack(model, [tree])).logps.detach().sum())
                assert answer["logp"] == pytest.approx(scored, abs=1e-4)


def test_what_is_beside_an_answer_and_where_time_ends_the_work_change_nothing(opened: Opened) -> None:
    model = opened("qwen3")
    told: list[int] = []
    whole = sample(model, PROMPTS, options(), ANY, told.append)
    assert told[-1] == len(PROMPTS)
    assert told == sorted(told)
    tokens = [[answer["tokens"].tolist() for answer in answers] for answers in whole]
    over = Clock(0)
    few = Limits(batch_tokens=1, cache_bytes=model.cache_bytes_per_token * 2 * (17 + 3 * 9), clock=over)
    done: list[Any] = []
    while len(done) < len(PROMPTS):
        done.extend(sample(model, PROMPTS[len(done) :], options(), few, ignore))
        assert len(done) in (2, 4, 5)
    assert [[answer["tokens"].tolist() for answer in answers] for answers in done] == tokens


def test_a_nucleus_is_the_smallest_set_that_reaches_the_part(monkeypatch: pytest.MonkeyPatch) -> None:
    random = np.random.default_rng(3)
    for _ in range(10):
        logits = torch.from_numpy(random.normal(0, 3, 300).astype(np.float32))
        top_p = float(random.uniform(0.05, 0.99))
        weights = logits.softmax(-1).numpy()
        order = np.argsort(-weights, kind="stable")
        reached = np.cumsum(weights[order].astype(np.float64))
        kept = set(order[: int(np.searchsorted(reached, top_p * reached[-1])) + 1].tolist())
        ways = []
        # Of all tokens, of a few that suffice or do not.
        for first in (300, 40, 5):
            monkeypatch.setattr("solopo_torch.token_distribution._FIRST", first)
            (row,) = candidates(logits[None], 1.0, top_p)
            ways.append([draw(row, 1.0, top_p, u) for u in np.linspace(0, 0.999999, 200).tolist()])
        assert ways[0] == ways[1] == ways[2]
        drawn = {token for token, _ in ways[0]}
        assert {token for token in kept if weights[token] > 0.02} <= drawn <= kept


def test_draws_follow_the_distribution() -> None:
    logits = torch.tensor([[0.1, 1e-30, 0.6, 0.3]]).log()
    (row,) = candidates(logits, 1.0, 1.0)
    places = [0.0, 0.05, 0.0999, 0.1001, 0.69, 0.71, 0.9999]
    assert [draw(row, 1.0, 1.0, u)[0] for u in places] == [0, 0, 0, 2, 2, 3, 3]
    # log p is of the model as it is, whatever the temperature and the cut.
    (row,) = candidates(logits, 2.0, 0.7)
    token, logp = draw(row, 2.0, 0.7, 0.1)
    assert token == 2
    assert logp == pytest.approx(np.log(0.6), rel=1e-6)
