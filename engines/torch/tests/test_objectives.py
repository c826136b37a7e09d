"""The objectives are held to the fixture of the TypeScript ones: losses of random rows and their derivatives, by TRL's own
functions and the formulas (tools/parity/objectives.py)."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from solopo_torch.objectives import MissingRowError, Row, mean_metrics, pair_term, prompt_read, rows_read

ROOT = Path(__file__).parents[3]
FIXTURE = json.loads((ROOT / "libs/objectives/src/fixtures/losses.json").read_text())


def rows_of(given: dict[str, Any]) -> dict[str, Row]:
    return {
        name: Row(
            torch.tensor(row["policy"], dtype=torch.double, requires_grad=True), row["tokens"], row.get("reference")
        )
        for name, row in given.items()
    }


@pytest.mark.parametrize("case", FIXTURE["cases"], ids=lambda case: case["name"])
def test_losses_metrics_and_derivatives_are_those_of_the_fixture(case: dict[str, Any]) -> None:
    options = case["options"]
    tolerance = 2e-5 if options["objective"]["kind"] == "orpo" else 1e-7
    for given, expected in zip(FIXTURE["rows"], case["expected"], strict=True):
        term = pair_term(options, rows_of(given), expected["aligned"])
        own = {**term.metrics, "loss": term.loss}
        for name, value in expected["metrics"].items():
            assert own[name] == pytest.approx(value, rel=tolerance, abs=tolerance), name
        for name in given:
            theirs = expected["gradients"].get(name, 0.0)
            assert term.gradients.get(name, 0.0) == pytest.approx(theirs, rel=tolerance, abs=tolerance), name


@pytest.mark.parametrize("case", FIXTURE["cases"], ids=lambda case: case["name"])
def test_an_objective_reads_exactly_the_rows_it_names(case: dict[str, Any]) -> None:
    options = case["options"]
    prompt = prompt_read(options)
    wanted = [*rows_read(options), *([prompt] if prompt else [])]
    given = rows_of({name: FIXTURE["rows"][0][name] for name in wanted})
    assert pair_term(options, given).loss == pair_term(options, rows_of(FIXTURE["rows"][0])).loss
    for name in wanted:
        with pytest.raises(MissingRowError, match=name):
            pair_term(options, {other: row for other, row in given.items() if other != name})


@pytest.mark.parametrize("mean", [-1e-3, -1e-5, -1e-8, -1e-300, 0.0])
def test_orpo_stays_finite_where_the_answer_is_sure(mean: float) -> None:
    case = next(case for case in FIXTURE["cases"] if case["name"] == "orpo: solo-both")
    sure = {"policy": 3 * mean, "tokens": 3}
    given = {name: (row if name.endswith("Prompt") else sure) for name, row in FIXTURE["rows"][0].items()}
    term = pair_term(case["options"], rows_of(given))
    numbers = [term.loss, *term.gradients.values(), *term.metrics.values()]
    assert torch.isfinite(torch.tensor(numbers, dtype=torch.double)).all()


def test_metrics_are_means_over_the_pairs_that_have_them_with_the_95th_percentile_of_the_gap() -> None:
    pairs = [{"solo/gap_abs": 20.0 - i, "loss": float(i)} for i in range(20)]
    assert mean_metrics([*pairs, {"loss": 41.0}]) == {"solo/gap_abs": 10.5, "loss": 11.0, "solo/gap_p95": 19.0}
