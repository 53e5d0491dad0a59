"""How batches are chosen, and what the device is told to do when memory runs out."""

import os

import pytest
import torch
from torch import nn

from AttnSegLib.errors import InputError
from AttnSegLib.inference import device
from AttnSegLib.inference.cost import Place
from AttnSegLib.inference.device import Compute, describe_device
from AttnSegLib.inference.runner import Runner, is_out_of_memory
from AttnSegLib.networks.output import SegmentationOutput

CPU, CARD = torch.device("cpu"), torch.device("cuda:0")


class Convolution(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Conv2d(1, 1, 3, padding=1)

    def forward(self, x):
        return SegmentationOutput(self.layer(x))


@pytest.fixture
def eight_threads(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1}, raising=False)
    before = torch.get_num_threads()
    torch.set_num_threads(8)
    yield
    torch.set_num_threads(before)


def lanes_of(slices, pixels, views=1, *, batch_size=None, bytes_per_pixel=1.0):
    return Runner(Convolution(), Compute("cpu", batch_size), bytes_per_pixel).lanes(slices, pixels, views)


@pytest.mark.usefixtures("eight_threads")
@pytest.mark.parametrize(("side", "size"), [(96, 14), (160, 5), (256, 2), (512, 1)])
def test_a_cpu_gets_few_slices_for_each_thread(side, size):
    assert lanes_of(1000, side * side) == (8, size)


@pytest.mark.usefixtures("eight_threads")
def test_what_lies_beside_the_first_slice_on_a_cpu_needs_little_memory():
    for bytes_per_pixel in (100.0, 400.0, 1000.0, 3000.0, 10_000.0):
        count, size = lanes_of(1000, 256 * 256, bytes_per_pixel=bytes_per_pixel)
        assert (count * size - 1) * bytes_per_pixel * 256 * 256 <= 512e6
        assert (count * size + count) * bytes_per_pixel * 256 * 256 > 512e6 or (count, size) == (8, 2)
    assert lanes_of(1000, 512 * 512, bytes_per_pixel=2712.0) == (1, 1)
    assert lanes_of(1000, 512 * 512, bytes_per_pixel=0.0) == (1, 1)  # nobody knows


@pytest.mark.usefixtures("eight_threads")
def test_few_slices_are_shared_among_all_lanes():
    assert lanes_of(1, 64) == (1, 1)
    assert lanes_of(3, 64) == (3, 1)
    assert lanes_of(20, 64) == (8, 3)


@pytest.mark.usefixtures("eight_threads")
def test_flips_are_slices_too():
    assert lanes_of(1000, 256 * 256, 4) == (4, 1)


@pytest.mark.usefixtures("eight_threads")
def test_without_openmp_all_threads_work_on_one_batch(monkeypatch):
    monkeypatch.setattr(torch.backends.openmp, "is_available", lambda: False)
    assert lanes_of(1000, 256 * 256) == (1, 2)


@pytest.mark.usefixtures("eight_threads")
def test_a_thread_that_is_bound_to_a_core_begins_no_lanes(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {3}, raising=False)
    assert lanes_of(1000, 256 * 256) == (1, 2)


def test_a_card_is_planned_for_with_what_is_free_there(monkeypatch):
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda _: (700, 10_000))
    monkeypatch.setattr(torch.cuda, "memory_reserved", lambda _: 400)
    monkeypatch.setattr(torch.cuda, "memory_allocated", lambda _: 100)
    assert device.place_of(CARD) == Place("cuda", 1, 1000)
    assert device.place_of(torch.device("mps")) == Place("mps")


@pytest.mark.usefixtures("eight_threads")
def test_an_own_choice_is_respected():
    assert lanes_of(1000, 64, batch_size=1) == (1, 1)
    assert lanes_of(1000, 512 * 512, batch_size=3) == (3, 1)
    assert lanes_of(1000, 512 * 512, batch_size=19) == (8, 2)


def test_bfloat16_is_taken_where_the_cpu_computes_in_it(monkeypatch):
    for flags, dtype in [
        ({"avx512_bf16": True}, torch.bfloat16),
        ({"amx_bf16": True}, torch.bfloat16),
        ({"avx2": True}, torch.float32),
    ]:
        monkeypatch.setattr(torch.cpu, "get_capabilities", lambda flags=flags: flags, raising=False)
        assert Compute().resolve_dtype(CPU) == dtype
    monkeypatch.delattr(torch.cpu, "get_capabilities")  # as in older versions
    assert Compute().resolve_dtype(CPU) == torch.float32
    assert Compute(precision="bfloat16").resolve_dtype(CPU) == torch.bfloat16


def test_a_card_takes_the_format_that_the_chosen_one_is_fast_at(monkeypatch):
    cards = {"cuda:0": (9, 0), "cuda:1": (7, 5), "cuda:2": (6, 1)}
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda chosen: cards[str(chosen)])
    monkeypatch.setattr(torch.version, "hip", None)
    found = [Compute().resolve_dtype(torch.device(card)) for card in cards]
    assert found == [torch.bfloat16, torch.float16, torch.float32]
    monkeypatch.setattr(torch.version, "hip", "6.4")
    assert Compute().resolve_dtype(torch.device("cuda:1")) == torch.bfloat16


@pytest.mark.usefixtures("eight_threads")
def test_the_device_is_told_with_its_number_format():
    assert describe_device(CPU, torch.bfloat16) == "cpu (8 threads, bfloat16)"
    assert describe_device(CPU, torch.float32, "OpenVINO") == "cpu (8 threads, float32, OpenVINO)"
    assert describe_device(torch.device("mps"), torch.float32) == "mps (float32)"


def test_logits_come_from_the_wanted_format():
    slices = torch.rand(2, 1, 8, 8)
    for precision in ("float32", "bfloat16", "float16"):
        runner = Runner(Convolution(), Compute("cpu", precision=precision))
        assert str(runner.run(slices).logits.dtype) == f"torch.{precision}"


def test_batches_are_halved_then_it_gives_up():
    runner = Runner(Convolution(), Compute("cpu"))
    assert "with 4 slice(s) at once" in runner.shrink(9)
    count, size = runner.lanes(100, 10)
    assert count * size <= 4
    assert "with 2 slice(s) at once" in runner.shrink(8)  # flips make more of a batch
    assert "with 1 slice(s) at once" in runner.shrink(8)
    with pytest.raises(InputError, match="not enough memory for a single slice"):
        runner.shrink(8)


def test_a_card_without_memory_for_a_slice_gives_way_to_the_cpu(monkeypatch):
    runner = Runner(Convolution(), Compute("cpu", precision="bfloat16"))
    monkeypatch.setattr(device, "fast_at_bfloat16", lambda _: False)
    runner._compute = Compute("auto")
    runner.device = torch.device("meta")  # stands for a card
    assert "went on with the CPU" in runner.shrink(1)
    assert (runner.device, runner.dtype) == (CPU, torch.float32)
    assert runner.network.layer.weight.dtype == torch.float32
    assert runner.run(torch.rand(1, 1, 8, 8)).logits.dtype == torch.float32


def test_other_errors_are_not_taken_for_lack_of_memory():
    assert is_out_of_memory(MemoryError())
    assert is_out_of_memory(RuntimeError("MPS backend out of memory"))
    assert is_out_of_memory(RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"))
    assert is_out_of_memory(RuntimeError("Unable to find an engine to execute this computation"))
    assert not is_out_of_memory(RuntimeError("shapes do not match"))


@pytest.mark.parametrize(
    ("usable", "choice"), [({"cpu"}, "cpu"), ({"cpu", "cuda:1"}, "cpu or cuda:1"), ({"cpu", "mps"}, "cpu or mps")]
)
def test_what_is_offered_instead_of_a_device_can_be_used(monkeypatch, usable, choice):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(device, "_usable", lambda name: torch.device(name) if name in usable else None)
    with pytest.raises(InputError, match=f"The device 'cuda' is not usable here; choose {choice}\\."):
        Compute("cuda").resolve_device()
