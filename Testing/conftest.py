"""Fixtures that several tests share, and how tests run side by side."""

import os
import shutil
import signal
from collections import Counter

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, settings
from made_up.balls import RECIPE, write_task
from made_up.commands import run_here
from made_up.tiny_model import write_model
from panel_at_work import a_node as a_node
from panel_at_work import parameters as parameters
from panel_at_work import ui as ui
from panel_at_work import widget as widget
from panel_at_work import worker as worker
from slicer_stand_in.fixtures import a_panel as a_panel
from slicer_stand_in.fixtures import an_example_module as an_example_module
from slicer_stand_in.fixtures import eyes as eyes
from slicer_stand_in.fixtures import messages as messages
from slicer_stand_in.fixtures import open_panel as open_panel
from slicer_stand_in.fixtures import scene as scene

from AttnSegLib.images.volume import Volume
from training import train

# A thread for each process: they run side by side, and numbers then don't depend on how many cores there are.
os.environ.setdefault("OMP_NUM_THREADS", "1")  # for the processes that tests start
torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))

# A shell that starts a command in the background tells it to ignore Ctrl-C, and `nohup` to ignore a terminal that
# closes; its children would inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)
if hasattr(signal, "SIGHUP"):
    signal.signal(signal.SIGHUP, signal.SIG_DFL)

# How long an example takes says how busy the machine is.
settings.register_profile("any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any machine")


def pytest_collection_modifyitems(items):
    """Files with slow tests come first, so that no process has a long one left when the others are done."""
    slow = Counter(item.path for item in items if item.get_closest_marker("slow"))
    items.sort(key=lambda item: -slow[item.path])


@pytest.fixture(autouse=True)
def _no_models_of_this_users_own(tmp_path, monkeypatch):
    monkeypatch.setenv("ATTNSEG_MODELS", str(tmp_path / "user's models"))


@pytest.fixture(autouse=True)
def _the_same_random_numbers_whatever_ran_before():
    torch.manual_seed(0)


@pytest.fixture
def an_oblique_affine():
    """Voxels of 0.5 x 1.5 x 2 mm, turned by 30 degrees about the third axis, the first axis flipped."""
    cos, sin = np.cos(np.pi / 6), np.sin(np.pi / 6)
    affine = np.array([[-cos, -sin, 0, 10], [-sin, cos, 0, -20], [0, 0, 1, 30], [0, 0, 0, 1]])
    return affine * [0.5, 1.5, 2, 1]


@pytest.fixture
def a_volume(an_oblique_affine):
    """(D, H, W) = (5, 4, 3), every voxel another value."""
    return Volume(np.arange(60, dtype=np.int16).reshape(5, 4, 3), an_oblique_affine)


@pytest.fixture
def a_model_folder(the_model_folder, tmp_path):
    """A complete model folder with a very narrow ANU-Net of random weights that segments about half of a volume."""
    return shutil.copytree(the_model_folder, tmp_path / the_model_folder.name)


@pytest.fixture(scope="session")
def the_model_folder(tmp_path_factory):
    """What `a_model_folder` is a copy of."""
    return write_model(tmp_path_factory.mktemp("model") / "tiny")


@pytest.fixture(scope="session")
def a_decathlon_task(tmp_path_factory):
    """Four cases in the layout of the Medical Segmentation Decathlon."""
    return write_task(tmp_path_factory.mktemp("decathlon") / "Task99_Ball")


@pytest.fixture(scope="session")
def a_checkpoint(a_decathlon_task, tmp_path_factory):
    """Of a training on `a_decathlon_task` that is long enough to find the balls."""
    folder = tmp_path_factory.mktemp("trained")
    (folder / "recipe.toml").write_text(RECIPE.replace("epochs = 2", "epochs = 20"))
    arguments = [folder / "recipe.toml", "--root", a_decathlon_task, "--out", folder / "run"]
    ended = run_here(train.main, *arguments, "--workers", "0", "--accelerator", "cpu")
    assert ended.code == 0, ended.said
    return folder / "run" / "best.ckpt"


@pytest.fixture
def a_recipe(tmp_path):
    """The file of a recipe for `a_decathlon_task`."""
    path = tmp_path / "recipe.toml"
    path.write_text(RECIPE)
    return path
