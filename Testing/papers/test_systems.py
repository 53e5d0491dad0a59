"""The numbers the papers print, and the systems behind them."""

import json
from pathlib import Path

import pytest
import torch

from AttnSegLib import networks
from AttnSegLib.errors import InputError
from training.learning.losses import LOSSES
from training.papers import systems
from training.papers.systems import System, published, system, table_names

PAPERS = list(systems.SYSTEMS)
OF_COST = ("af-net", "table5")
TRAINABLE = [(paper, table) for paper in PAPERS for table in table_names(paper) if (paper, table) != OF_COST]

# What each paper feeds in and gets out: channels, classes.
SIZES = {"af-net": (3, 1), "omega-net": (1, 2), "ec-cam-unet": (1, 1), "ms-dual-guided": (1, 5), "anu-net": (1, 1)}


def rows(paper, table):
    return [row for part in published(paper, table).values() for row in part.rows]


def methods(paper):
    return {row.method for table in table_names(paper) if (paper, table) in TRAINABLE for row in rows(paper, table)}


def value(paper, table, group, method, metric):
    (row,) = (row for row in published(paper, table)[group].rows if row.method == method)
    return row.values[metric]


def built(paper, made):
    in_channels, num_classes = SIZES[paper]
    try:
        networks.network_class(made.network)
    except InputError as missing_library:
        pytest.skip(str(missing_library))
    with torch.device("meta"):
        return networks.create(made.network, **made.options, in_channels=in_channels, num_classes=num_classes)


def parameters(paper, method):
    return sum(p.numel() for p in built(paper, system(paper, method)).parameters())


# Systems


@pytest.mark.parametrize("paper", PAPERS)
def test_the_systems_are_those_of_the_tables(paper):
    assert methods(paper) == set(systems.SYSTEMS[paper]) | set(systems.BASELINES[paper])


@pytest.mark.parametrize("paper", PAPERS)
def test_no_system_is_listed_twice(paper):
    assert not set(systems.SYSTEMS[paper]) & set(systems.BASELINES[paper])


def distinct(paper):
    found = {repr((made.network, made.options)): made for made in (system(paper, m) for m in sorted(methods(paper)))}
    return list(found.values())


@pytest.mark.parametrize(
    ("paper", "made"),
    [pytest.param(paper, made, id=f"{paper} {made.network}") for paper in PAPERS for made in distinct(paper)],
)
def test_builds_with_its_papers_channels_and_classes(paper, made):
    network = built(paper, made).eval()
    in_channels, num_classes = SIZES[paper]
    with torch.device("meta"), torch.inference_mode():
        assert network(torch.empty(1, in_channels, 64, 64)).logits.shape == (1, num_classes, 64, 64)


@pytest.mark.parametrize("paper", PAPERS)
def test_losses_exist(paper):
    assert {system(paper, method).loss for method in methods(paper)} <= {None, *LOSSES}


def test_levels_are_those_anu_net_can_be_pruned_to():
    full = built("anu-net", system("anu-net", "ANU-Net"))
    for row in published("anu-net", "table6")["liver CT"].rows:
        made = system("anu-net", row.method)
        pruned = networks.create(made.network, level=made.level)
        assert made.options == {}
        assert sum(p.numel() for p in pruned.parameters()) / 1e6 == pytest.approx(row.values["parameters"], abs=1e-4)
    assert full.level == 4
    assert system("anu-net", "ANU-Net").level is None


@pytest.mark.parametrize(
    ("paper", "ladder"),
    [
        ("af-net", ["ResNet-34 backbone", "ResNet-34 + MFF-block", "ResNet-34 + MFF-block + GFF-block", "AF-Net"]),
        ("af-net", ["ResNet-34 backbone", "ResNet-34 + DA-block", "AF-Net"]),
        (
            "ec-cam-unet",
            [
                "U-Net",
                "U-Net + CC",
                "U-Net + CC + SC + MuS (CoAG-MuSFu)",
                "U-Net + CC + SC + MuS + EC",
                "EC-CaM-UNet (CC + SC + MuS + EC + DWS)",
            ],
        ),
        ("ms-dual-guided", ["DAF (baseline)", "Proposed (PAM)", "Proposed (DualNet)", "Proposed (MS-Dual-Guided)"]),
    ],
)
def test_parts_add_parameters(paper, ladder):
    counts = [parameters(paper, method) for method in ladder]
    assert counts == sorted(set(counts))


@pytest.mark.parametrize(
    ("paper", "one", "other"),
    [
        ("ec-cam-unet", "EC-CaM-UNet", "EC-CaM-UNet (CC + SC + MuS + EC + DWS)"),
        ("ec-cam-unet", "EC-CaM-UNet", "EC-CaM-UNet (concat + 1x1 conv)"),
        ("ec-cam-unet", "U-Net + CoA", "U-Net + CC + SC (CoA)"),
        ("ec-cam-unet", "U-Net", "Dice"),
        ("ms-dual-guided", "DAF", "DAF (baseline)"),
    ],
)
def test_two_names_of_one_system(paper, one, other):
    assert system(paper, one) == system(paper, other)


def test_a_paper_s_own_network_has_no_options():
    for paper, method, network in [
        ("af-net", "AF-Net", "afnet"),
        ("omega-net", "Omega-Net (MDA*-U-Net*)", "omeganet"),
        ("ec-cam-unet", "EC-CaM-UNet", "eccamunet"),
        ("ms-dual-guided", "Proposed (MS-Dual-Guided)", "msdualguided"),
        ("anu-net", "ANU-Net", "anunet"),
    ]:
        assert system(paper, method) == System(network)


# Numbers


@pytest.mark.parametrize(
    ("where", "printed"),
    [
        (("af-net", "table1", "aorta", "AF-Net", "DICE"), 0.874),
        (("af-net", "table1", "aorta", "U-Net", "DICE"), None),
        (("af-net", "table3", "lung", "AF-Net", "AUC"), 0.988),
        (("af-net", "table4", "aorta", "ResNet-34 + MFF-block + GFF-block + attention (in serial)", "mIoU"), 0.791),
        (("af-net", "table5", "cost", "AF-Net", "computing consumption"), 72.71),
        (("omega-net", "table1", "pancreas", "U-Net++", "PPV"), 0.8591),
        (("omega-net", "table1", "liver", "Omega-Net (MDA*-U-Net*)", "Sensitivity"), 0.9392),
        (("ec-cam-unet", "table1", "Cardiac", "EC-CaM-UNet", "DSC"), 79.32),
        (("ec-cam-unet", "table1", "Cardiac", "EC-CaM-UNet", "Sensitivity"), 80.31),
        (("ec-cam-unet", "table1", "Cardiac", "EC-CaM-UNet", "Precision"), 82.51),
        (("ec-cam-unet", "table2", "KiTS", "U-Net + CC + SC + MuS (CoAG-MuSFu)", "DSC"), 93.80),
        (("ec-cam-unet", "table3", "DSC", "CoA + MuS (sum)", "KiTS"), 94.74),
        (("ec-cam-unet", "table4", "DSC", "Dice + BCE", "TCIA"), 68.02),
        (("ms-dual-guided", "table1", "DSC", "Proposed (MS-Dual-Guided)", "Mean"), 86.75),
        (("ms-dual-guided", "table2", "VS", "UNet", "Liver"), 95.54),
        (("anu-net", "table5", "liver MRI", "UNet++", "IoU"), 84.23),
        (("anu-net", "table5", "liver MRI", "ANU-Net", "Recall"), 0.9288),
        (("anu-net", "table6", "liver CT", "ANU-Net L4", "Dice"), 98.0042),
    ],
)
def test_numbers_are_those_of_the_papers(where, printed):
    assert value(*where) == printed


def test_the_papers_claims_follow():
    """The improvements that Omega-Net's table 1 prints in its last line, which is not kept."""
    claims = {"kidney": (176, 119, 301), "pancreas": (195, 212, 158), "liver": (173, 114, 94)}
    for group, claimed in claims.items():
        part = published("omega-net", "table1")[group]
        *baselines, own = part.rows
        found = [own.values[m] - max(row.values[m] for row in baselines) for m in part.metrics]
        assert [round(1e4 * x) for x in found] == list(claimed)


@pytest.mark.parametrize("paper", PAPERS)
def test_means_of_the_organs_are_printed_means(paper):
    """Of the tables that have one; within what rounding allows."""
    for table in table_names(paper):
        for row in rows(paper, table):
            if "Mean" in row.values:
                *organs, mean = row.values.values()
                assert sum(organs) / len(organs) == pytest.approx(mean, abs=0.011)


@pytest.mark.parametrize("paper", PAPERS)
def test_tables_are_complete(paper):
    for table in table_names(paper):
        for group, part in published(paper, table).items():
            assert part.group == group
            assert part.title
            assert part.rows
            assert len(part.units) == len(part.metrics)
            assert len({row.method for row in part.rows}) == len(part.rows)
            for row in part.rows:
                assert tuple(row.values) == part.metrics
                assert not row.std or tuple(row.std) == part.metrics
                for number, unit in zip(row.values.values(), part.units, strict=True):
                    limit = {"fraction": 1, "percent": 100}.get(unit)
                    assert number is None or limit is None or limit / 100 < number <= limit


def test_the_tables_are_those_that_have_results():
    assert {paper: table_names(paper) for paper in PAPERS} == {
        "af-net": ["table1", "table2", "table3", "table4", "table5"],
        "omega-net": ["table1"],
        "ec-cam-unet": ["table1", "table2", "table3", "table4", "figure5", "figure6", "table5"],
        "ms-dual-guided": ["table1", "table2"],
        "anu-net": ["table2", "table3", "table4", "table5", "table6"],
    }
    assert list(json.loads(Path(systems.__file__).with_name("published.json").read_text())) == PAPERS


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (lambda: system("v-net", "U-Net"), "There is no paper called 'v-net'; choose one of: af-net, omega-net"),
        (lambda: system("omega-net", "CE-Net"), "There is no system of omega-net called 'CE-Net'; .*: FCN, U-Net"),
        (lambda: system("af-net", "FPA"), "There is no system of af-net called 'FPA'"),
        (lambda: table_names("v-net"), "There is no paper called 'v-net'"),
        (lambda: published("v-net", "table1"), "There is no paper called 'v-net'"),
        (lambda: published("anu-net", "table1"), "There is no table of anu-net called 'table1'; .*: table2, table3"),
    ],
)
def test_says_what_there_is_instead(ask, message):
    with pytest.raises(InputError, match=message):
        ask()
