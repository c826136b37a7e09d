"""AdamW over named parameters, in float32 whatever the model computes in, with a state that a file can hold."""

import math
from collections.abc import Callable, Mapping
from typing import TypedDict

import torch
from torch import Tensor

from .ranks import ALONE, Ranks
from .sharding import fill, own_part


class AdamWOptions(TypedDict):
    betas: tuple[float, float]
    epsilon: float
    weightDecay: float


class AdamW:
    """PyTorch's fused AdamW (arXiv 1711.05101); weight decay spares vectors (norms and biases).

    What is trained in another type than float32 has a master copy in float32, which takes the steps; its gradients are summed
    there too.
    """

    def __init__(
        self,
        options: AdamWOptions,
        parameters: Mapping[str, Tensor],
        *,
        step: int = 0,
        state: Mapping[str, Tensor] | None = None,
        masters: Mapping[str, Tensor] | None = None,
        ranks: Ranks = ALONE,
    ) -> None:
        """`state`: moments as `m.NAME` and `v.NAME`; `masters`: float32 numbers that `parameters` were rounded from; `ranks`: that hold the
        parameters together, of which the first has the state."""
        self.step = step
        self.parameters = parameters
        self.masters = {name: _master(name, parameter, masters) for name, parameter in parameters.items()}
        self._hooks = [
            parameter.register_post_accumulate_grad_hook(_gather_into(self.masters[name]))
            for name, parameter in parameters.items()
            if self.masters[name] is not parameter
        ]
        matrices = [master for master in self.masters.values() if master.ndim > 1]
        vectors = [master for master in self.masters.values() if master.ndim <= 1]
        groups = [
            {"params": group, "weight_decay": decay}
            for group, decay in ((matrices, options["weightDecay"]), (vectors, 0.0))
            if group
        ]
        betas = (float(options["betas"][0]), float(options["betas"][1]))
        self._optimizer = torch.optim.AdamW(groups, lr=0.0, betas=betas, eps=options["epsilon"], fused=True)
        self._ranks = ranks
        for master in self.masters.values():
            self._optimizer.state[master] = {
                "step": torch.tensor(float(step), device=master.device),
                "exp_avg": torch.zeros_like(master),
                "exp_avg_sq": torch.zeros_like(master),
            }
        if step > 0:
            _load(ranks, self.tensors(), state)

    def gradient_norm(self) -> float:
        """The gradients' joint Euclidean norm."""
        gradients = [own_part(master.grad) for master in self.masters.values() if master.grad is not None]
        norms = [torch.linalg.vector_norm(gradient) for gradient in gradients]
        norm = torch.linalg.vector_norm(torch.stack(norms).double()).item() if norms else 0.0
        return norm if self._ranks.count == 1 else math.hypot(*self._ranks.of_all(norm))

    @torch.no_grad()
    def update(self, learning_rate: float, factor: float = 1.0) -> None:
        """Steps against `factor` times the gradients, and forgets them; a parameter without one has gradient 0."""
        self.step += 1
        for master in self.masters.values():
            if master.grad is None:
                master.grad = torch.zeros_like(master)
        if factor != 1:
            torch._foreach_mul_([master.grad for master in self.masters.values() if master.grad is not None], factor)
        for group in self._optimizer.param_groups:
            group["lr"] = learning_rate
        self._optimizer.step()
        self.forget_gradients()
        for name, parameter in self.parameters.items():
            if self.masters[name] is not parameter:
                parameter.copy_(self.masters[name])

    def forget_gradients(self) -> None:
        for name, parameter in self.parameters.items():
            parameter.grad = self.masters[name].grad = None

    def tensors(self) -> dict[str, Tensor]:
        """First and second moments as `m.NAME` and `v.NAME`."""
        return {
            f"{kind}.{name}": self._optimizer.state[master][key]
            for name, master in self.masters.items()
            for kind, key in (("m", "exp_avg"), ("v", "exp_avg_sq"))
        }

    def free(self) -> None:
        """Leaves the parameters without gradients or hooks."""
        self.forget_gradients()
        for hook in self._hooks:
            hook.remove()


@torch.no_grad()
def _load(ranks: Ranks, tensors: Mapping[str, Tensor], state: Mapping[str, Tensor] | None) -> None:
    if ranks.count > 1:
        fill(ranks, tensors, None if state is None else state.__getitem__)
        return
    assert state is not None, "steps that were taken left a state"
    for name, tensor in tensors.items():
        tensor.copy_(state[name])


def clip_factor(norm: float, max_norm: float) -> float:
    """What gradients are multiplied by so that a norm comes down to `max_norm` (as PyTorch: eps 1e-6); 1 where it is no more."""
    return min(1.0, max_norm / (norm + 1e-6))


def _master(name: str, parameter: Tensor, masters: Mapping[str, Tensor] | None) -> Tensor:
    if parameter.dtype == torch.float32:
        return parameter
    source = parameter if masters is None else masters[name]
    return source.detach().to(parameter.device, torch.float32, copy=True)


def _gather_into(master: Tensor) -> Callable[[Tensor], None]:
    """Moves a parameter's gradient to its master copy as soon as it is there."""

    def gather(parameter: Tensor) -> None:
        gradient = parameter.grad
        if gradient is None:
            return
        if master.grad is None:
            master.grad = gradient.float()
        else:
            master.grad += gradient
        parameter.grad = None

    return gather
