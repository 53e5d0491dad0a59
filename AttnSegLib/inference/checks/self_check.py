"""The command `attnseg check`: a one-second self-diagnosis that names what is wrong and how to cure it."""

from __future__ import annotations

import platform
import time
from collections.abc import Callable

from AttnSegLib.inference.checks.finding import Finding


def check_setup() -> list[Finding]:
    """Look at everything a prediction needs, in the order in which it needs it; stops where going on is useless."""
    findings = []
    for look in (_python, _simpleitk, _torch, _bridge, _cpu, _gpu, _models):
        finding = _try(look.__name__.strip("_"), look)
        findings.append(finding)
        if finding.name == "torch" and not finding.ok:
            break
    return findings


def _python() -> Finding:
    return Finding("python", True, f"{platform.python_version()} on {platform.system()} {platform.machine()}")


def _simpleitk() -> Finding:
    try:
        import SimpleITK as sitk
    except ImportError as error:
        return Finding("SimpleITK", False, str(error), "pip install SimpleITK")
    return Finding("SimpleITK", True, sitk.Version.VersionString())


def _torch() -> Finding:
    cure = "install torch (in Slicer: the PyTorch extension; elsewhere: pip install torch)"
    try:
        import torch
    except (ImportError, OSError) as error:  # OSError: a shared library is missing
        return Finding("torch", False, f"can't be imported: {error}", cure)
    build = f"built for CUDA {torch.version.cuda}" if torch.version.cuda else "CPU build"
    return Finding("torch", True, f"{torch.__version__}, {build}")


def _bridge() -> Finding:
    import numpy as np
    import torch

    there = torch.from_dlpack(np.arange(3, dtype=np.float32))
    back = np.from_dlpack(there + 1)
    cure = "install builds of torch and numpy that fit each other"
    return Finding("numpy and torch", back.tolist() == [1.0, 2.0, 3.0], f"numpy {np.__version__}", cure)


def _cpu() -> Finding:
    import torch

    threads = torch.get_num_threads()
    detail = f"{_forward('cpu'):.2f} s for a forward pass, {threads} thread{'s' * (threads > 1)}, {_free_memory()}"
    return Finding("CPU", True, detail)


def _gpu() -> Finding:
    import torch

    if torch.cuda.is_available():
        name = torch.cuda.get_device_name()
        free, total = torch.cuda.mem_get_info()
        memory = f"{free / 2**30:.1f} of {total / 2**30:.1f} GiB free"
        return Finding("GPU", True, f"{name}, {memory}, {_forward('cuda'):.2f} s for a forward pass")
    if torch.backends.mps.is_available():
        return Finding("GPU", True, f"Apple MPS, {_forward('mps'):.2f} s for a forward pass")
    if _nvidia_card_present():
        cure = "install torch with CUDA (see README, 'CUDA') or update the driver"
        return Finding("GPU", False, "an NVIDIA card is present, but torch can't use it", cure)
    return Finding("GPU", True, "none; the CPU will be used")


def _models() -> Finding:
    from AttnSegLib.models.catalog import load_models, sha256_of

    damaged: list[str] = []
    models = load_models(notify=damaged.append)
    if damaged:
        return Finding("models", False, " ".join(damaged), _CURES["models"])
    models = [model for model in models if not model.url or model.is_available]  # others are not fetched yet
    bad = [m.id for m in models if not m.weights_path.is_file() or sha256_of(m.weights_path) != m.sha256]
    if bad:
        return Finding("models", False, f"damaged weights: {', '.join(bad)}", _CURES["models"])
    return Finding("models", True, f"{len(models)} installed, weights verified")


_CURES = {
    "bridge": "install builds of numpy and torch that fit each other",
    "cpu": "install torch again",
    "gpu": "use --device cpu, or install a build of torch that supports this card",
    "models": "install the models again",
}


def _try(name: str, look: Callable[[], Finding]) -> Finding:
    """What looking found; an error is a finding too."""
    try:
        return look()
    except (RuntimeError, ValueError, ImportError, OSError) as error:
        detail = (str(error) or type(error).__name__).splitlines()[0]
        return Finding(name, False, detail, _CURES.get(name, "install AttnSeg again"))


def _forward(device: str) -> float:
    """Seconds of a forward pass of a small ANU-Net on a device."""
    import torch

    from AttnSegLib import networks

    network = networks.create("anunet", width=8).eval().to(device)
    start = time.perf_counter()
    with torch.inference_mode():
        network(torch.zeros(1, 1, 128, 128, device=device)).logits.sum().item()
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
