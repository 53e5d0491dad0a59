"""Workers in processes where something is wrong, and how such a process ends."""

import subprocess
import sys
import textwrap
import time
from pathlib import Path

import numpy as np
from worker_at_work import PATIENCE, ROOT, failure, finished, follow
from worker_at_work import nothing_is_left_in_shared_memory as nothing_is_left_in_shared_memory
from worker_at_work import spec as spec

from AttnSegLib.inference.device import Compute
from AttnSegLib.inference.prediction import ComputeOptions
from AttnSegLib.inference.predictor import SlicePredictor
from AttnSegLib.worker import client, messages
from AttnSegLib.worker.client import Worker
from AttnSegLib.worker.messages import Request

CPU = ComputeOptions("cpu")


def in_a_strange_process(tmp_path, monkeypatch, code):
    """A worker whose process runs some code before anything else."""
    (tmp_path / "strange").mkdir(exist_ok=True)
    (tmp_path / "strange" / "sitecustomize.py").write_text(textwrap.dedent(code))
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "strange"))
    return Worker()


def test_without_torch_the_sentence_names_the_cure_and_the_check_still_works(tmp_path, monkeypatch, spec, a_volume):
    code = """
        import sys
        class NoTorch:
            def find_spec(self, name, path=None, target=None):
                if name.split(".")[0] == "torch":
                    raise ModuleNotFoundError("No module named 'torch'", name="torch")
        sys.meta_path.insert(0, NoTorch())
    """
    worker = in_a_strange_process(tmp_path, monkeypatch, code)
    try:
        assert "Check setup" in failure(worker, a_volume, Request(spec)).sentence
        worker.check()
        checked = follow(worker)[-1]
        assert [finding.ok for finding in checked.findings if finding.name == "torch"] == [False]
    finally:
        worker.close()


def test_torch_built_for_another_numpy_simply_works(tmp_path, monkeypatch, spec, a_volume):
    expected = SlicePredictor.from_model(spec, Compute("cpu")).predict(a_volume).label_map
    code = """
        import torch
        def refuse(*_):
            raise RuntimeError("Numpy is not available")
        torch.from_numpy = torch.Tensor.numpy = torch.Tensor.__array__ = refuse
    """
    worker = in_a_strange_process(tmp_path, monkeypatch, code)
    try:
        _, label_map, _ = finished(worker, a_volume, Request(spec, compute=CPU))
        np.testing.assert_array_equal(label_map, expected)
    finally:
        worker.close()


def test_what_libraries_print_does_not_get_among_the_messages(tmp_path, monkeypatch, spec, a_volume):
    code = """
        import os, threading, time
        def chatter():
            while not os.path.sameopenfile(1, 2):  # before that there is no worker yet
                time.sleep(0.01)
            print("hello from a library", flush=True)
            os.write(1, b"and from C\\n")
        threading.Thread(target=chatter, daemon=True).start()
    """
    worker = in_a_strange_process(tmp_path, monkeypatch, code)
    try:
        for _ in range(3):
            finished(worker, a_volume, Request(spec, compute=CPU))
    finally:
        worker.close()


def test_a_crash_leaves_its_last_words_in_the_log(tmp_path, monkeypatch, spec, a_volume):
    code = """
        import os, sys
        sys.stderr.write("the last words\\n")
        sys.stderr.flush()
        os.abort()
    """
    worker = in_a_strange_process(tmp_path, monkeypatch, code)
    try:
        failed = failure(worker, a_volume, Request(spec))
        assert "crashed (signal 6)" in failed.sentence
        assert "the last words" in failed.detail
    finally:
        worker.close()


def test_another_version_of_the_protocol_is_refused(monkeypatch, spec, a_volume):
    monkeypatch.setattr(client, "VERSION", messages.VERSION + 1)
    worker = Worker()
    try:
        assert "another version" in failure(worker, a_volume, Request(spec)).sentence
    finally:
        worker.close()


def test_the_process_ends_with_its_client(tmp_path):
    code = f"""
import sys, time
sys.path.insert(0, {str(ROOT)!r})
from AttnSegLib.worker import client, messages
from AttnSegLib.worker.client import Worker
worker = Worker()
worker.check()
while worker.is_busy:
    worker.poll()
print(worker._process._process.pid, flush=True)
time.sleep(60)
"""
    script = tmp_path / "client.py"
    script.write_text(code)
    with subprocess.Popen([sys.executable, str(script)], stdout=subprocess.PIPE) as client:
        child = int(client.stdout.readline())
        client.kill()
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end and Path(f"/proc/{child}").exists():
        time.sleep(0.02)
    assert not Path(f"/proc/{child}").exists()
