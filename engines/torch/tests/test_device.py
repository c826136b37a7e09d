import pytest
import torch

from solopo_torch.device import ChosenDevice, Memory, choose_device, fingerprint
from solopo_torch.errors import DeviceError, DeviceMemoryError


@pytest.mark.skipif(torch.cuda.is_available(), reason="of a machine without a GPU")
def test_a_device_that_is_not_there_is_refused_with_what_to_do() -> None:
    with pytest.raises(DeviceError, match="choose cuda or cpu, or engine onnx"):
        choose_device("webgpu")
    with pytest.raises(DeviceError, match="install NVIDIA's driver"):
        choose_device("cuda")
    assert choose_device("auto") == ChosenDevice("cpu", "PyTorch found no GPU on this machine", None, None)


def test_memory_is_asked_for_with_figures() -> None:
    memory = Memory(choose_device("cpu"), None)
    memory.demand(1000, "nothing")
    with pytest.raises(
        DeviceMemoryError, match=r"the model takes 1048576\.00 GiB, and \d.* GiB of this machine's memory"
    ):
        memory.demand(2**50, "the model")
    limited = Memory(choose_device("cpu"), 2**20)
    with pytest.raises(DeviceMemoryError, match=r"maxDeviceMemory is 1\.0 MiB"):
        limited.demand(1000, "the model")


def test_the_fingerprint_tells_precision_and_threads_apart() -> None:
    chosen = choose_device("cpu")
    told = {fingerprint(chosen, precision, threads) for precision in ("float32", "bfloat16") for threads in (1, 2)}
    assert len(told) == 4
