"""The papers' tables: their recipes, and what stands beside the printed numbers."""

from dataclasses import fields, replace
from pathlib import Path

import pytest

from AttnSegLib.errors import InputError
from training import reproduce
from training.learning.recipe import read_recipe
from training.papers.printed import DATASETS, Column, SystemCost, printed
from training.papers.systems import published, system, table_names
from training.papers.table_figures import MadeRow, draw_pruning
from training.reproduce import BUDGETS, Budget, TableToMake, ours_beside_printed, recipe_for
from training.scoring.scores import Score
from training.train import RunOptions

ZERO = {field.name: {"int": 0, "float": 0.0, "str": ""}[field.type] for field in fields(Score)}
COST = SystemCost(1_500_000, 0.02)


def is_about(paper, table, dataset):
    """Whether a table tells of a data set, in a part of its own, or in a column."""
    parts, shown = published(paper, table), DATASETS[paper][dataset]
    return (
        paper == "ms-dual-guided"
        or shown == "all organs"
        or shown in parts
        or any(shown in part.metrics for part in parts.values())
    )


EVERY = [(paper, table, dataset) for paper in DATASETS for table in table_names(paper) for dataset in DATASETS[paper]]
PRINTED = [one for one in EVERY if is_about(*one)]


def a_score(**values):
    return Score(**{**ZERO, "model": "net", "case": "a", "label": "organ", **values})


def a_table(paper="ec-cam-unet", name="table4", dataset="heart", budget=BUDGETS["full"]):
    return TableToMake(paper, name, dataset, Path(), Path(), budget, RunOptions())


# Our columns


def test_columns_are_in_the_papers_units():
    scores = [a_score(dice=0.5), a_score(case="b", dice=0.7)]
    assert Column("DSC", "percent", "DSC").of("ms-dual-guided", scores, COST) == pytest.approx(60)
    assert Column("DSC", "percent", "DSC").spread("ms-dual-guided", scores) == pytest.approx(10 * 2**0.5)
    assert Column("DSC", "fraction", "DSC").of("omega-net", scores, COST) == pytest.approx(0.6)


def test_columns_of_organs_and_their_mean():
    dice = {"liver": 0.9, "right_kidney": 0.8, "left_kidney": 0.6, "spleen": 0.5}
    scores = [a_score(label=organ, dice=value, mean_surface_distance_voxels=2.0) for organ, value in dice.items()]

    def of(score, unit, organ):
        return Column("any", unit, score, organ).of("ms-dual-guided", scores, COST)

    assert of("DSC", "percent", "Kidney R") == pytest.approx(80)
    assert of("DSC", "percent", "Mean") == pytest.approx(70)
    assert of("MSD", "voxels", "Spleen") == of("MSD", "voxels", "Mean") == 2.0


def test_columns_of_cost():
    """Seconds for 2000 slices, and millions of parameters."""
    assert Column("time", "s", "time").of("anu-net", [], COST) == pytest.approx(40)
    assert Column("parameters", "million", "parameters").of("anu-net", [], COST) == pytest.approx(1.5)


def test_a_page_shows_ours_beside_the_printed_values():
    wanted = a_table("af-net", "table1", "aorta", Budget(epochs=3))
    page = printed("af-net", "table1", "aorta")
    scores = [a_score(dice=0.5, iou=1 / 3, auc=float("nan"), tp=1, fp=1, fn=1, tn=997)]
    text = ours_beside_printed(wanted, page, {"U-Net": (scores, COST)})
    assert text.startswith("# af-net, table1: Comparison on the aorta data, on aorta\n")
    assert "Ours / printed, on 1 test cases; cut down to 3 epochs: a rehearsal, not a result." in text
    assert "| method | ACC | SEN | PRE | F1 | AUC | mIoU | DICE |" in text
    dash = "\N{EN DASH}"
    cells = ["0.998 / 0.996", *[f"0.5 / {dash}"] * 3, f"{dash} / 0.477", f"0.3333 / {dash}", f"0.5 / {dash}"]
    assert f"| U-Net | {' | '.join(cells)} |" in text
    assert all(note in text for note in page.notes)


def test_a_page_shows_standard_deviations_and_a_table_for_each_score():
    wanted = a_table("ms-dual-guided", "table1", "chaos-t2", BUDGETS["compact"])
    page = printed("ms-dual-guided", "table1", "chaos-t2")
    organs = ("liver", "right_kidney", "left_kidney", "spleen")
    scores = [a_score(case=case, label=organ, dice=d) for case, d in (("a", 0.8), ("b", 0.9)) for organ in organs]
    text = ours_beside_printed(wanted, page, {"DAF (baseline)": (scores, COST)})
    assert "| DAF (baseline) | 85 ± 7.071 / 91.66 ± 2.99 |" in text.partition("## DSC")[2].partition("## VS")[0]
    assert text.count("| DAF (baseline) |") == 3
    assert "cut down by the recipe budgets/compact." in text
    assert "; preprocessing.size: (256, 256) there, (96, 96) here; " in text


def test_our_standard_deviations_stand_where_none_is_printed():
    page = printed("anu-net", "table6", "liver-ct")
    scores = [a_score(tp=90, fp=10, fn=10), a_score(case="b", tp=70, fp=30, fn=30)]
    text = ours_beside_printed(a_table("anu-net", "table6", "liver-ct"), page, {"ANU-Net L4": (scores, COST)})
    assert "| ANU-Net L4 | 40 / " in text  # no spread of what a row costs
    assert "| 80 ± 14.14 / 98 |" in text


def test_a_page_of_ec_cam_unet_shows_slices_beside_the_printed_values_and_volumes_beside_them():
    wanted, page = a_table(), printed("ec-cam-unet", "table4", "heart")
    score = a_score(dice=0.9, slice_dice=0.7, slice_dice_all=0.8, recall=0.6, precision=0.5, slices=4, filled_slices=2)
    text = ours_beside_printed(wanted, page, {"BCE": ([score], COST)})
    head = ("DSC, empty slices 1", "DSC by volume", "Sensitivity by volume", "Precision by volume")
    assert f"| method | DSC (percent) | {' | '.join(f'{name} (percent)' for name in head)} |" in text
    assert "| BCE | 70 / 73.13 | 80 | 90 | 60 | 50 |" in text


def test_pruning_is_drawn_as_in_figure_13(tmp_path):
    rows = {
        f"ANU-Net L{level}": MadeRow([a_score(tp=90, fp=10, fn=10)], SystemCost(10**level, 0.001 * level), Path())
        for level in (4, 5)
    }
    draw_pruning(tmp_path / "table6-liver-ct", rows)
    assert (tmp_path / "table6-liver-ct-figure13.png").stat().st_size > 5000


# Recipes of rows


@pytest.mark.parametrize(("paper", "table", "dataset"), PRINTED)
@pytest.mark.parametrize("budget", BUDGETS)
def test_every_row_has_a_recipe_that_ends_with_a_checkpoint(paper, table, dataset, budget):
    wanted = a_table(paper, table, dataset, BUDGETS[budget])
    own = read_recipe([f"{paper}/{dataset}", *(["budgets/compact"] if budget == "compact" else [])])
    for method in printed(paper, table, dataset).rows:
        chosen = system(paper, method)
        recipe = recipe_for(wanted, chosen)
        settings = recipe.optimisation
        assert settings.validate_every <= settings.epochs <= own.optimisation.epochs
        assert (settings.loss, settings.alpha) == (chosen.loss or own.optimisation.loss, chosen.alpha)
        assert recipe.network == chosen.network
        width = {"width": 8} if budget == "compact" else {}
        assert recipe.options == chosen.options | width | {k: own.options[k] for k in ("in_channels", "num_classes")}
        assert recipe.split == own.split


def test_budgets_only_shrink():
    """96 x 96 pixels and one epoch are tiny; a recipe of fewer epochs than the short budget's ten keeps its own."""
    bce = system("ec-cam-unet", "BCE")
    full, short, tiny = (recipe_for(a_table(budget=BUDGETS[name]), bce) for name in ("full", "short", "tiny"))
    assert (full.optimisation.epochs, full.preprocessing.size) == (150, (320, 320))
    assert (short.optimisation.epochs, short.preprocessing.size) == (10, (320, 320))
    assert (tiny.optimisation.epochs, tiny.preprocessing.size) == (1, (96, 96))
    assert recipe_for(a_table(budget=Budget(epochs=1000)), bce) == full
    assert str(BUDGETS["full"]) == "the whole recipe"


def test_rows_of_one_network_share_a_folder_and_others_do_not():
    def folder(method, budget="full", dataset="heart"):
        wanted = a_table(dataset=dataset, budget=BUDGETS[budget])
        [run] = reproduce._runs(wanted, system("ec-cam-unet", method))
        return run.folder.name

    assert folder("U-Net") == folder("Dice")
    methods = ("Dice", "BCE", "Dice + BCE", "U-Net + CC", "U-Net++", "EC-CaM-UNet", "alpha = 0.3", "alpha = 0.5")
    names = [folder(method) for method in methods]
    assert len(set(names)) == len(methods)
    assert len({folder("Dice", budget) for budget in BUDGETS}) == len(BUDGETS)
    assert all("/" not in name and len(name) < 120 for name in names)


def test_only_the_first_folds_can_be_made():
    """Each fold has its own folder, so that the others can follow."""

    def folders(folds):
        wanted = replace(a_table("anu-net", "table3", "chaos-t2"), folds=folds)
        return [run.folder.name.rpartition("-")[2] for run in reproduce._runs(wanted, system("anu-net", "U-Net"))]

    assert folders(2) == ["fold0", "fold1"]
    assert folders(None) == folders(3) == ["fold0", "fold1", "fold2"]
    for count in (-1, 0, 4):
        with pytest.raises(InputError, match=f"from 1 to 3, not {count}"):
            folders(count)
