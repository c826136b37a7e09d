from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from families import FAMILIES
from transformers import AutoConfig, AutoModelForCausalLM

from solopo_torch.device import Memory, choose_device
from solopo_torch.models import LanguageModel, Models, ModelSource

sys.path.insert(0, str(Path(__file__).parent))
torch.set_num_threads(1)


def save(folder: Path, family: str, **changes: Any) -> Path:
    """A tiny model of the family with random weights, as a folder."""
    if not folder.exists():
        torch.manual_seed(7)
        config = AutoConfig.for_model(**{**FAMILIES[family], **changes})
        model = AutoModelForCausalLM.from_config(config)
        with torch.no_grad():
            for parameter in model.parameters():
                # Large enough for attention to be far from uniform; norms and sinks are no longer 1 and 0.
                parameter.add_(torch.randn_like(parameter) * (0.15 if parameter.ndim > 1 else 0.3))
        model.save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def folder_of(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    root = tmp_path_factory.mktemp("models")

    def of(family: str, **changes: Any) -> Path:
        name = "-".join([family, *(f"{key}={value}" for key, value in changes.items())])
        return save(root / name.replace("/", "_")[:120], family, **changes)

    return of


@pytest.fixture
def models() -> Models:
    return Models(torch.device("cpu"), Memory(choose_device("cpu"), None))


@pytest.fixture
def opened(models: Models, folder_of: Callable[..., Path]) -> Callable[..., LanguageModel]:
    def of(family: str, **changes: Any) -> LanguageModel:
        return models.open(ModelSource(str(folder_of(family, **changes))))

    return of
