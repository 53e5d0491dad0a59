"""The list of networks and what they cost is what is counted."""

import subprocess
import sys

import pytest

from AttnSegLib import networks
from AttnSegLib.networks.cost import count_network
from AttnSegLib.networks.counted import COUNTED


def test_the_list_holds_every_network_the_papers_first():
    own = [name for name in networks.network_names() if name not in networks.baseline_names()]
    assert list(COUNTED) == [*own, *networks.baseline_names()]


@pytest.mark.parametrize("name", [pytest.param(one, marks=[pytest.mark.slow] * (one != "anunet")) for one in COUNTED])
def test_what_is_listed_is_what_is_counted(name):
    assert COUNTED[name] == count_network(name)  # what is printed at the right belongs into the list


def test_listing_the_networks_needs_no_torch():
    script = "import sys; sys.modules['torch'] = None; from AttnSegLib.__main__ import main; main(['networks'])"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert "8,950,594" in done.stdout
