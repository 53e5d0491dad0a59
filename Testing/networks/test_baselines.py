"""The baselines beyond the contract of all networks (test_networks.py): their sizes, parts, and libraries."""

import re
import subprocess
import sys
import tomllib
from importlib.metadata import PackageNotFoundError, requires
from pathlib import Path

import pytest
import torch

from AttnSegLib import networks
from AttnSegLib.errors import InputError
from AttnSegLib.networks import cost
from AttnSegLib.networks.attention import AttentionRecorder, attention_maps, channel_coefficients

ROOT = Path(__file__).parents[2]
UNET_OF_EC_CAM = 31_036_481  # convolutions before a normalisation have no bias


@pytest.fixture
def slices():
    return torch.rand(2, 1, 64, 96, generator=torch.Generator().manual_seed(1))


def create(name, **options):
    torch.manual_seed(0)
    try:
        networks.network_class(name)
    except InputError as missing_library:
        pytest.skip(str(missing_library))
    return networks.create(name, **{"width": 8, **options}).eval()


def recorded(network, slices):
    titles = [*attention_maps(network), *channel_coefficients(network)]
    with AttentionRecorder(network, titles) as recorder, torch.inference_mode():
        network(slices)
    return recorder


def test_all_systems_of_the_papers_tables_are_listed():
    assert networks.baseline_names() == [
        "attentionr2unet", "attentionunet", "cbamunet", "cenet", "daf", "danet", "deeplabv3plus", "fcn", "hrnet",
        "msunet", "pan", "r2unet", "segformer", "seunet", "unet", "unetplusplus",
    ]  # fmt: skip
    assert set(networks.baseline_names()) < set(networks.network_names())


def test_listing_needs_neither_torch_nor_the_libraries():
    code = "import sys; from AttnSegLib import networks; networks.network_names(); print(*sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    assert not {"torch", "transformers"} & set(run.stdout.split())


@pytest.mark.parametrize(
    ("name", "options", "parameters"),
    [
        ("attentionr2unet", {}, 39_442_797),
        ("attentionr2unet", {"in_channels": 3}, 39_442_925),
        ("attentionunet", {}, 34_877_421),
        ("attentionunet", {"in_channels": 3}, 34_878_573),
        ("cbamunet", {}, UNET_OF_EC_CAM + 2 * 1024 * 64 + 2 * 7 * 7),
        ("cenet", {}, 28_996_821),
        ("cenet", {"in_channels": 3}, 29_003_093),
        ("daf", {"num_classes": 5}, 43_853_635),
        ("daf", {"in_channels": 3}, 43_857_827),
        ("danet", {"num_classes": 5}, 66_426_961),
        ("danet", {"num_classes": 5, "backbone": "resnet50"}, 47_434_833),
        ("deeplabv3plus", {}, 22_431_185),
        ("deeplabv3plus", {"backbone": "resnet101"}, 45_663_441),
        ("fcn", {"in_channels": 3, "num_classes": 2}, 32_947_266),
        ("hrnet", {}, 9_561_108 + 270 * 270 + 3 * 270 + 271),  # backbone, mixing, head
        ("hrnet", {"width": 48}, 65_323_968 + 720 * 720 + 3 * 720 + 721),
        ("msunet", {}, 47_084_545),
        ("pan", {}, 21_469_544),
        ("pan", {"backbone": "resnet101"}, 43_245_672),
        ("r2unet", {}, 39_091_265),
        ("r2unet", {"in_channels": 3}, 39_091_393),
        ("segformer", {}, 3_711_265),
        ("segformer", {"backbone": "mit_b2"}, 24_716_097),
        ("seunet", {}, UNET_OF_EC_CAM + 2 * 1024 * 64 + 64 + 1024),
        ("unet", {}, 34_525_889),
        ("unet", {"in_channels": 3}, 34_527_041),
        ("unetplusplus", {}, 9_162_852),
        ("unetplusplus", {"in_channels": 3}, 9_163_428),
    ],
)
def test_has_the_parameters_of_its_reference(name, options, parameters):
    create(name)
    with torch.device("meta"):
        network = networks.create(name, **options)
    assert sum(p.numel() for p in network.parameters()) == parameters


@pytest.mark.parametrize(
    ("name", "gflops"),
    [
        ("attentionunet", 132.699),
        ("attentionr2unet", 307.115),
        ("deeplabv3plus", 15.562),
        ("msunet", 151.645),
        ("pan", 14.675),
        ("r2unet", 304.959),
        ("segformer", 3.466),
        ("unet", 130.544),
    ],
)
def test_costs_what_its_reference_costs(name, gflops):
    """Which says, unlike parameters, at which size a layer works."""
    create(name)
    assert 2 * cost.measure_network(name, 256).macs / 1e9 == pytest.approx(gflops, abs=0.001)


@pytest.mark.parametrize(
    ("name", "shapes"),
    [
        ("attentionunet", {f"gate {i}": (2, 1, 64 >> i, 96 >> i) for i in range(4)}),
        ("attentionr2unet", {f"gate {i}": (2, 1, 64 >> i, 96 >> i) for i in range(4)}),
        ("cbamunet", {"CBAM spatial attention": (2, 1, 4, 6), "CBAM channel attention": (2, 128)}),
        ("daf", {f"scale {i} channel selection": (2, 1, 16, 24) for i in range(1, 5)}),
        ("danet", {"DANet position attention": (2, 1, 8, 12), "DANet channel attention": (2, 64, 64)}),
        ("pan", {f"GAU {i} gate": (2, 4) for i in range(1, 4)}),
        ("seunet", {"SE channel attention": (2, 128)}),
    ],
)
def test_marks_the_attention_it_has(name, shapes, slices):
    recorder = recorded(create(name), slices)
    assert {title: tuple(x.shape) for title, x in {**recorder.maps, **recorder.vectors}.items()} == shapes


def test_gates_multiply_what_they_pass_on(slices):
    """With coefficients near 0 the decoder gets nothing from the encoder's last skip connection."""
    network = create("attentionr2unet")
    network.gates[0].coefficient[1].bias.data.fill_(-50)
    gated = recorded(network, slices).maps["gate 0"]
    assert gated.max() < 1e-6
    below = torch.rand(2, 8, 64, 96)
    assert network.skip(0, torch.rand(2, 8, 64, 96), below).abs().max() < 1e-6


def test_channel_attention_at_the_bottom_changes_what_the_decoder_gets(slices):
    network = create("seunet")
    coefficients = recorded(network, slices).vectors["SE channel attention"]
    before = torch.rand(2, 128, 4, 6)
    weights = torch.sigmoid(network.bottom.attention.excite(before.mean(dim=(2, 3))))
    assert torch.allclose(network.bottom(before), before * weights[:, :, None, None])
    assert coefficients.std() > 0


def test_selects_among_the_channels_of_each_pixel(slices):
    """The largest of eight coefficients that sum to 1 is at least an eighth."""
    for largest in recorded(create("daf"), slices).maps.values():
        assert largest.min() >= 1 / 8
        assert largest.max() > largest.min()


@pytest.mark.parametrize("name", ["r2unet", "attentionr2unet"])
def test_recurrence_shares_its_weights(name, slices):
    once, thrice = create(name, times=1), create(name, times=3)
    thrice.load_state_dict(once.state_dict())
    with torch.inference_mode():
        assert not torch.allclose(once(slices).logits, thrice(slices).logits)


@pytest.mark.parametrize(("name", "heads"), [("unetplusplus", 3), ("danet", 2), ("daf", 8), ("unet", 0)])
def test_further_heads_are_there_in_training_and_evaluation(name, heads, slices):
    network = create(name)
    assert [len(network.train(mode)(slices).auxiliary) for mode in (True, False)] == [heads, heads]


@pytest.mark.parametrize("name", ["danet", "daf", "deeplabv3plus", "fcn", "pan", "segformer"])
def test_refuses_a_backbone_that_does_not_exist(name):
    with pytest.raises(InputError, match="There is no backbone 'vgg'; choose one of: (resnet34|mit_b0)"):
        create(name, backbone="vgg")


def test_says_what_to_install_when_a_library_is_missing(monkeypatch):
    monkeypatch.setitem(sys.modules, "transformers", None)
    monkeypatch.delitem(sys.modules, "AttnSegLib.networks.baselines.on_backbones.segformer", raising=False)
    message = r"'segformer' needs transformers; install it: pip install 'attnseg\[baselines\]'"
    with pytest.raises(InputError, match=message):
        networks.create("segformer")


def test_other_missing_modules_are_not_hidden(monkeypatch):
    monkeypatch.setitem(sys.modules, "AttnSegLib.networks.resnet", None)
    monkeypatch.delitem(sys.modules, "AttnSegLib.networks.baselines.on_backbones.fcn", raising=False)
    with pytest.raises(ModuleNotFoundError, match=r"networks\.resnet"):
        networks.create("fcn")


def test_no_extra_brings_torchvision():
    """Why: docs/decisions/0004-torchvision.md."""
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    found, waiting = set(), [*extras["baselines"], *extras["train"]]
    while waiting:
        requirement = waiting.pop()
        name = re.match(r"[\w.-]+", requirement)[0].lower()
        if name in found or "extra ==" in requirement:
            continue
        found.add(name)
        try:
            waiting += requires(name) or []
        except PackageNotFoundError:
            continue
    assert "torch" in found
    assert "torchvision" not in found
