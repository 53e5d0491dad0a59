"""What a made page adds to the printed numbers: standard deviations, what was cut, how many folds there are."""

from dataclasses import replace

import pytest
from test_reproduce import COST, a_score, a_table

from AttnSegLib.errors import InputError
from training import reproduce
from training.papers.printed import printed
from training.papers.systems import system
from training.reproduce import BUDGETS, ours_beside_printed


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
