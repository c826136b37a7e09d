"""Tensors in mappings of their own."""

from __future__ import annotations

import torch

from solopo_torch.apart import Apart, apart


def test_a_copy_has_the_numbers_and_the_order_of_what_was_copied_and_no_storage_with_it() -> None:
    tensor = torch.arange(1 << 20, dtype=torch.float32).reshape(2, 512, 8, 128).transpose(1, 2)
    copy = apart(tensor)
    assert torch.equal(copy, tensor)
    assert copy.stride() == tensor.stride()
    assert copy.untyped_storage().data_ptr() != tensor.untyped_storage().data_ptr()


def test_what_is_kept_of_a_long_row_is_no_longer_than_what_is_seen_of_it() -> None:
    part = torch.arange(1 << 21, dtype=torch.bfloat16)[::2]
    copy = apart(part)
    assert torch.equal(copy, part)
    assert copy.untyped_storage().nbytes() == 1 << 21


def test_gradients_pass_as_they_come() -> None:
    x = torch.ones(1 << 19, requires_grad=True)
    (Apart.apply(x) * torch.arange(1 << 19)).sum().backward()
    assert torch.equal(x.grad, torch.arange(1 << 19, dtype=torch.float32))  # type: ignore[arg-type]
