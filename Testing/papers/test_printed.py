"""What the papers print in their tables of results, column by column."""

from dataclasses import replace

import pytest
from test_reproduce import COST, EVERY, PRINTED, a_score

from AttnSegLib.errors import InputError
from training.learning.recipe import RECIPES, read_recipe
from training.papers.columns import COLUMNS
from training.papers.printed import _ORGANS, DATASETS, Column, printed
from training.papers.systems import published, system


def test_every_printed_table_but_that_of_cost_belongs_to_a_recipe():
    left = {(paper, table) for paper, table, _ in EVERY} - {(paper, table) for paper, table, _ in PRINTED}
    assert left == {("af-net", "table5")}
    for paper in DATASETS:
        assert {path.stem for path in (RECIPES / paper).glob("*.toml")} - {"common"} == set(DATASETS[paper])


@pytest.mark.parametrize(("paper", "table", "dataset"), PRINTED)
def test_every_table_has_rows_and_columns_that_we_can_fill(paper, table, dataset):
    page = printed(paper, table, dataset)
    names = {column.name for column in page.columns}
    assert page.title
    for method, values in page.rows.items():
        assert system(paper, method)
        assert values.keys() <= names
        assert any(value is not None for value in values.values()) or table.startswith("figure")
    score = a_score(dice=0.5, label="liver")
    every_organ = [replace(score, label=organ) for organ in _ORGANS.values()]
    for column in page.columns:
        assert column.score in COLUMNS[paper] or column.score in ("time", "parameters")
        column.of(paper, every_organ, COST)


@pytest.mark.parametrize(
    ("paper", "table", "dataset", "method", "column", "value"),
    [
        ("ec-cam-unet", "table1", "heart", "EC-CaM-UNet", "DSC", 79.32),
        ("ec-cam-unet", "table4", "heart", "BCE", "DSC", 73.13),
        ("af-net", "table2", "liver", "CE-Net", "DICE", 0.921),
        ("af-net", "table1", "aorta", "U-Net", "SEN", None),
    ],
)
def test_values_are_those_of_the_paper(paper, table, dataset, method, column, value):
    assert printed(paper, table, dataset).rows[method][column] == value


@pytest.mark.parametrize("table", ["table3", "table4"])
@pytest.mark.parametrize("dataset", DATASETS["ec-cam-unet"])
def test_data_sets_side_by_side_are_told_apart(table, dataset):
    page = printed("ec-cam-unet", table, dataset)
    assert page.columns == (Column("DSC", "percent", "DSC"),)
    shown = DATASETS["ec-cam-unet"][dataset]
    for row in published("ec-cam-unet", table)["DSC"].rows:
        assert page.rows[row.method] == {"DSC": row.values[shown]}


@pytest.mark.parametrize("table", ["table1", "table2"])
def test_organs_are_columns_of_each_score(table):
    page = printed("ms-dual-guided", table, "chaos")
    names = [column.name for column in page.columns]
    assert (len(names), names[0], names[-1]) == (15, "DSC Liver", "MSD Mean")
    assert {column.unit for column in page.columns[:10]} == {"percent"}
    assert {column.unit for column in page.columns[10:]} == {"voxels"}
    assert all(set(names) == set(values) for values in page.rows.values())
    assert {label.id for label in read_recipe(["ms-dual-guided/chaos"]).labels} == set(_ORGANS.values())


def test_one_network_for_all_organs_stands_beside_the_table_of_each():
    """Kidneys are printed as one organ: our two count together, voxel by voxel."""
    page = printed("anu-net", "table4", "chaos-t2")
    assert page.rows == printed("anu-net", "table4", "kidney-mr").rows
    assert "of a network for this organ alone, kidney MRI." in page.notes[-1]
    scores = [
        a_score(label="right_kidney", tp=8, fp=2),
        a_score(label="left_kidney", fn=6),
        a_score(label="liver", tp=9),
    ]
    values = {column.name: column.of("anu-net", scores, COST) for column in page.columns}
    assert values["Precision"] == 0.8
    assert values["Dice"] == pytest.approx(100 * 16 / 24)


@pytest.mark.parametrize(
    ("paper", "table", "dataset", "words"),
    [
        ("anu-net", "table6", "liver-mr", "not about 'liver-mr' but about: liver-ct"),
        ("af-net", "table1", "lung", "not about 'lung' but about: aorta"),
        ("af-net", "table5", "aorta", "not about 'aorta' but about: cost alone"),
        ("omega-net", "table1", "heart", "no data set 'heart'; choose one of: kidney, pancreas, liver"),
        ("omega-net", "table2", "liver", "no table of omega-net called 'table2'; choose one of: table1"),
    ],
)
def test_what_is_not_printed_is_refused(paper, table, dataset, words):
    with pytest.raises(InputError, match=words):
        printed(paper, table, dataset)
