"""The command `attnseg check`: a one-second self-diagnosis that names what is wrong and how to cure it."""

from __future__ import annotations

import importlib.util
import platform
import time
from collections.abc import Callable
from dataclasses import dataclass

from AttnSegLib.inference.checks.finding import NOT_INSTALLED, OPENVINO, Finding

_SLOW = 2.0  # s for a forward pass; one core of a busy server needs 0.3
_FREE_GPU = "end other programs that use it, or choose the CPU as the device"


@dataclass(frozen=True)
class _Look:
    """name: the same whatever is found. at: says in words what is there, and raises if it is not in order. cure: what
    to do then, unless a `_Problem` knows better."""

    name: str
    at: Callable[[], str]
    cure: str


class _Problem(RuntimeError):
    """What is not in order, and what to do."""

    def __init__(self, detail: str, cure: str):
        super().__init__(detail)
        self.cure = cure


def check_setup() -> list[Finding]:
    """Look at everything a prediction needs, in the order in which it needs it; stops where going on is useless."""
    findings = []
    for look in _LOOKS:
        findings.append(_found(look))
        if look.name == "torch" and not findings[-1].ok:
            break
    return findings


def _found(look: _Look) -> Finding:
    """What a look found; an error is a finding too."""
    try:
        return Finding(look.name, True, look.at())
    except (RuntimeError, ValueError, ImportError, OSError) as error:
        detail = (str(error) or type(error).__name__).splitlines()[0]
        return Finding(look.name, False, detail, getattr(error, "cure", look.cure))


def _python() -> str:
    return f"{platform.python_version()} on {platform.system()} {platform.machine()}"


def _simpleitk() -> str:
    import SimpleITK as sitk

    return str(sitk.Version.VersionString())


def _pydicom() -> str:
    import pydicom

    return str(pydicom.__version__)


def _torch() -> str:
    try:
        import torch
    except (ImportError, OSError) as error:  # OSError: a shared library is missing
        raise ImportError(f"can't be imported: {error}") from error
    build = f"built for CUDA {torch.version.cuda}" if torch.version.cuda else "CPU build"
    return f"{torch.__version__}, {build}"


def _bridge() -> str:
    import numpy as np
    import torch

    there = torch.from_dlpack(np.arange(3, dtype=np.float32))
    if np.from_dlpack(there + 1).tolist() != [1.0, 2.0, 3.0]:
        raise RuntimeError("numbers change on their way between numpy and torch")
    return f"numpy {np.__version__}"


def _cpu() -> str:
    import torch

    threads = torch.get_num_threads()
    cure = "end other programs, set OMP_NUM_THREADS to the number of cores that are free, or use a GPU"
    return f"{threads} thread{'s' * (threads > 1)}, {_free_memory()}, {_speed('cpu', cure)}"


def _openvino() -> str:
    """Optional: that it is missing is no problem, that it can't be loaded is one."""
    if importlib.util.find_spec("openvino") is None:
        return f"{NOT_INSTALLED}; long runs on a CPU are faster with it"
    from AttnSegLib.inference.engines.conversion import openvino_module

    return f"{openvino_module().__version__}, for long runs on the CPU"


def _gpu() -> str:
    import torch

    if torch.cuda.is_available():
        name = torch.cuda.get_device_name()
        free, total = torch.cuda.mem_get_info()
        memory = f"{free / 2**30:.1f} of {total / 2**30:.1f} GiB free"
        return f"{name}, {memory}, {_speed('cuda', _FREE_GPU)}"
    if torch.backends.mps.is_available():
        return f"Apple MPS, {_speed('mps', _FREE_GPU)}"
    if _nvidia_card_present():
        cure = "install torch with CUDA (see README, 'CUDA') or update the driver"
        raise _Problem("an NVIDIA GPU is present, but torch can't use it", cure)
    return "none; the CPU will be used"


def _models() -> str:
    from AttnSegLib.models.catalog import readable_models, sha256_of

    readable, damaged = readable_models()
    if damaged:
        raise RuntimeError(" ".join(damaged))
    models = [model for model in readable if not model.url or model.is_available]  # others are not fetched yet
    bad = [m.id for m in models if not m.weights_path.is_file() or sha256_of(m.weights_path) != m.sha256]
    if bad:
        raise RuntimeError(f"damaged weights: {', '.join(bad)}")
    return f"{len(models)} installed, weights verified"


_LOOKS = (
    _Look("python", _python, "install AttnSeg again"),
    _Look("SimpleITK", _simpleitk, "pip install SimpleITK"),
    _Look("pydicom", _pydicom, "pip install pydicom"),
    _Look("torch", _torch, "install torch (in Slicer: the PyTorch extension; elsewhere: pip install torch)"),
    _Look("numpy and torch", _bridge, "install builds of numpy and torch that fit each other"),
    _Look("CPU", _cpu, "install torch again"),
    _Look(OPENVINO, _openvino, "install it anew, or remove it: torch does the same"),
    _Look("GPU", _gpu, "choose the CPU as the device, or install a build of torch that supports this GPU"),
    _Look("models", _models, "install the models again"),
)


def _speed(device: str, cure: str) -> str:
    """How long a forward pass takes, and what to do if that is long."""
    seconds = _forward(device)
    slow = f"; it works, but slowly: {cure}" if seconds > _SLOW else ""
    return f"{seconds:.2f} s for a forward pass{slow}"


def _forward(device: str) -> float:
    """Seconds of a forward pass of a small ANU-Net on a device."""
    import torch

    from AttnSegLib import networks

    network = networks.create("anunet", width=8).eval().to(device)
    pixels = torch.zeros(1, 1, 128, 128, device=device)
    with torch.inference_mode():
        if device != "cpu":
            network(pixels).logits.sum().item()  # loads what a GPU computes with, which takes seconds once
        start = time.perf_counter()
        network(pixels).logits.sum().item()
        return time.perf_counter() - start


def _free_memory() -> str:
    try:
        with open("/proc/meminfo", encoding="ascii") as file:  # noqa: PTH123  # only Linux has it
            fields = dict(line.split(":") for line in file)
        return f"{int(fields['MemAvailable'].split()[0]) / 2**20:.1f} GiB memory free"
    except (OSError, KeyError):
        return "free memory unknown"


def _nvidia_card_present() -> bool:
    import shutil

    return shutil.which("nvidia-smi") is not None
