"""The self-check: whatever a look finds, it is told by the same name, and with a cure if it is not in order."""

import platform
import sys

import pytest
import SimpleITK as sitk
import torch

from AttnSegLib import networks
from AttnSegLib.inference.checks import self_check
from AttnSegLib.inference.checks.self_check import check_setup
from AttnSegLib.models import catalog

NAMES = ["python", "SimpleITK", "pydicom", "torch", "numpy and torch", "CPU", "OpenVINO", "GPU", "models"]


def broken(*_arguments, **_named):
    raise RuntimeError("broken\nin two lines")


@pytest.fixture(autouse=True)
def _no_gpu_and_one_model(monkeypatch, a_model_folder):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    monkeypatch.setattr(self_check, "_nvidia_card_present", lambda: False)
    monkeypatch.setattr(catalog, "resource_folder", lambda _name: a_model_folder.parent)


def test_all_is_in_order_here():
    findings = check_setup()
    assert [(finding.name, finding.ok) for finding in findings] == [(name, True) for name in NAMES]
    assert findings[-1].detail == "1 installed, weights verified"


@pytest.mark.parametrize(
    ("name", "place", "part"),
    [
        ("python", platform, "machine"),
        ("SimpleITK", sitk.Version, "VersionString"),
        ("numpy and torch", torch, "from_dlpack"),
        ("CPU", networks, "create"),
        ("GPU", self_check, "_nvidia_card_present"),
        ("models", catalog, "sha256_of"),
    ],
)
def test_what_is_broken_keeps_its_name(name, place, part, monkeypatch):
    monkeypatch.setattr(place, part, broken)
    findings = check_setup()
    assert [finding.name for finding in findings] == NAMES
    [wrong] = [finding for finding in findings if not finding.ok]
    assert (wrong.name, wrong.detail) == (name, "broken")
    assert wrong.cure


def test_without_torch_nothing_more_is_looked_at(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    findings = check_setup()
    assert [finding.name for finding in findings] == NAMES[:4]
    assert not findings[-1].ok
    assert findings[-1].detail.startswith("can't be imported: ")
    assert "pip install torch" in findings[-1].cure


def test_a_card_that_torch_can_not_use_has_a_cure_of_its_own(monkeypatch):
    monkeypatch.setattr(self_check, "_nvidia_card_present", lambda: True)
    [wrong] = [finding for finding in check_setup() if not finding.ok]
    assert (wrong.name, wrong.detail) == ("GPU", "an NVIDIA GPU is present, but torch can't use it")
    assert "install torch with CUDA" in wrong.cure


def test_openvino_may_be_missing_but_not_broken(monkeypatch):
    monkeypatch.setitem(sys.modules, "openvino", None)
    [told] = [finding for finding in check_setup() if finding.name == "OpenVINO"]
    assert told.ok
    assert told.detail.startswith("not installed")
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: object())
    [wrong] = [finding for finding in check_setup() if not finding.ok]
    assert (wrong.name, "can't be loaded" in wrong.detail) == ("OpenVINO", True)


def test_damaged_weights_are_named(a_model_folder):
    (a_model_folder / "weights.safetensors").write_bytes(b"other")
    [wrong] = [finding for finding in check_setup() if not finding.ok]
    assert (wrong.name, wrong.detail) == ("models", "damaged weights: tiny")


@pytest.mark.parametrize(("seconds", "slow"), [(0.1, False), (21.0, True)])
def test_a_slow_machine_is_in_order_and_told(monkeypatch, seconds, slow):
    monkeypatch.setattr(self_check, "_forward", lambda _device: seconds)
    [told] = [finding for finding in check_setup() if finding.name == "CPU"]
    assert told.ok
    assert f"{seconds:.2f} s for a forward pass" in told.detail
    assert ("it works, but slowly: end other programs, set OMP_NUM_THREADS" in told.detail) == slow
