"""Tables of scores, against answers worked out on paper."""

from dataclasses import fields, replace

import numpy as np
import pytest

from AttnSegLib.errors import InputError
from training.scoring import significance, summary
from training.scoring.scores import Score
from training.scoring.significance import holm, wilcoxon
from training.scoring.summary import summarise

NAN = float("nan")
ZERO = {field.name: {"int": 0, "float": 0.0, "str": ""}[field.type] for field in fields(Score)}


def a_score(model, case, label="organ", **values):
    return Score(**{**ZERO, "model": model, "case": case, "label": label, **values})


def scores_of(model, values, label="organ", metric="dice"):
    return [a_score(model, f"case_{number}", label, **{metric: value}) for number, value in enumerate(values)]


def test_mean_and_deviation_over_cases():
    [row] = summarise(scores_of("net", [0.6, 0.8, 1.0]), ["dice"])
    assert (row.model, row.label, row.cases) == ("net", "organ", 3)
    assert row.spreads["dice"].mean == pytest.approx(0.8)
    assert row.spreads["dice"].sd == pytest.approx(0.2)  # the root of (0.04 + 0 + 0.04) / 2
    assert row.spreads["dice"].undefined == 0


def test_undefined_values_are_left_out_and_counted():
    [row] = summarise(scores_of("net", [2.0, NAN, 4.0, NAN], metric="hd95_mm"), ["hd95_mm"])
    spread = row.spreads["hd95_mm"]
    assert (row.cases, spread.mean, spread.undefined) == (4, 3.0, 2)
    assert spread.sd == pytest.approx(np.sqrt(2))
    text = summary.markdown([row])
    assert "| 3.00 ± 1.41 † |" in text
    assert "net, organ, HD95 (mm): 2." in text


@pytest.mark.parametrize(("values", "cell"), [([0.5], "| 0.500 |"), ([NAN, NAN], "| n/a † |")])
def test_too_few_values_for_a_deviation_or_a_mean(values, cell):
    assert cell in summary.markdown(summarise(scores_of("net", values), ["dice"]))


def test_pooled_scores_come_from_added_voxels():
    """A small case that is missed counts little: mean Dice 0.5, pooled 2 * 90 / (2 * 90 + 10 + 20)."""
    large = a_score("net", "large", dice=1.0, tp=90, fp=10, fn=10, tn=1000)
    small = a_score("net", "small", dice=0.0, tp=0, fp=0, fn=10, tn=1000)
    [row] = summarise([large, small], ["dice"])
    assert row.spreads["dice"].mean == 0.5
    assert row.pooled == pytest.approx({"dice": 180 / 210, "iou": 90 / 120, "precision": 0.9, "recall": 90 / 110})


def test_a_model_with_several_labels_has_a_row_for_their_mean():
    """Means of the cases 0.7 and 0.9, so 0.8 ± 0.1414; pooled Dice 1 and 0.5, so 0.75."""
    one = [replace(score, tp=5) for score in scores_of("net", [0.8, 1.0], "one")]
    two = [replace(score, tp=1, fp=1, fn=1) for score in scores_of("net", [0.6, 0.8], "two")]
    rows = summarise([*one, *two, *scores_of("other", [0.5, 0.5], "one")], ["dice"])
    assert [(row.model, row.label) for row in rows] == [
        ("net", "one"),
        ("net", "two"),
        ("net", summary.MEAN),
        ("other", "one"),
    ]
    assert rows[2].cases == 2
    assert rows[2].spreads["dice"].mean == pytest.approx(0.8)
    assert rows[2].spreads["dice"].sd == pytest.approx(0.1 * np.sqrt(2))
    assert rows[2].pooled["dice"] == pytest.approx(0.75)


def test_an_undefined_label_is_left_out_of_its_cases_mean():
    rows = summarise([*scores_of("net", [0.8, 0.4], "one"), *scores_of("net", [NAN, 0.6], "two")], ["dice"])
    assert rows[-1].spreads["dice"].mean == pytest.approx((0.8 + 0.5) / 2)
    assert rows[-1].spreads["dice"].undefined == 1


def test_the_table_as_a_whole():
    scores = [
        a_score("a|b", "x", dice=0.91234, hd95_mm=12.3456, tp=8, fp=2, fn=2),
        a_score("a|b", "y", dice=0.91234, hd95_mm=12.3456, tp=8, fp=2, fn=2),
    ]
    lines = summary.markdown(summarise(scores, ["dice", "hd95_mm"])).splitlines()
    pooled = "pooled Dice | pooled IoU | pooled precision | pooled recall"
    assert lines[0] == f"| model | label | cases | Dice | HD95 (mm) | {pooled} |"
    assert lines[1] == "| :-- | :-- | --: | --: | --: | --: | --: | --: | --: |"
    assert lines[2] == "| a\\|b | organ | 2 | 0.912 ± 0.000 | 12.35 ± 0.00 | 0.800 | 0.667 | 0.800 | 0.800 |"
    assert "†" not in "".join(lines)


def test_what_cannot_be_summarised():
    with pytest.raises(InputError, match=r"no metric 'dise'; choose from: dice, iou"):
        summarise(scores_of("net", [0.5]), ["dise"])
    with pytest.raises(InputError, match=r"two scores for label 'organ' of case 'case_0'"):
        summarise(scores_of("net", [0.5]) * 2 + scores_of("net", [0.6]), ["dice"])
    with pytest.raises(InputError, match=r"two models or more"):
        wilcoxon(scores_of("net", [0.5]))


def test_a_model_that_is_always_better():
    """Of the 64 ways to sign six differences two are as extreme: p = 2 / 64."""
    worse = [0.5, 0.5, 0.5, 0.5, 0.5, 0.5]
    better = [0.51, 0.52, 0.53, 0.54, 0.55, 0.56]
    [test] = wilcoxon(scores_of("better", better) + scores_of("worse", worse))
    assert (test.first, test.second, test.n, test.patients, test.left_out) == ("better", "worse", 6, 6, 0)
    assert test.difference == pytest.approx(0.035)
    assert test.p == test.p_holm == pytest.approx(2 / 64)
    assert 0.01 < test.low < test.difference < test.high < 0.06
    assert "| better minus worse | Dice | 6 | 6 | +0.035 |" in significance.tests_markdown([test])


def test_models_that_are_equal():
    values = [0.5, 0.6, 0.7, 0.8, 0.9, 1.0]
    [test] = wilcoxon(scores_of("one", values) + scores_of("two", values))
    assert (test.difference, test.low, test.high, test.p) == (0, 0, 0, 1)


def test_too_few_cases_have_no_p():
    tests = wilcoxon(scores_of("one", [0.5] * 5) + scores_of("two", [0.6] * 5))
    assert (tests[0].n, tests[0].p, tests[0].p_holm) == (5, None, None)
    assert significance.tests_markdown(tests).count("too few cases") == 2


def test_pairs_that_one_model_lacks_are_left_out():
    scores = [*scores_of("one", [0.5, NAN, 0.7, 0.8]), *scores_of("two", [0.4, 0.5, 0.6])]
    [test] = wilcoxon(scores)
    assert (test.n, test.left_out) == (2, 2)
    assert test.difference == pytest.approx(0.1)
    assert "one minus two: 2." in significance.tests_markdown([test])


def test_models_without_a_common_case():
    [test] = wilcoxon([a_score("one", "x", dice=0.5), a_score("two", "y", dice=0.5)])
    assert (test.n, test.left_out, test.p) == (0, 2, None)
    assert np.isnan([test.difference, test.low, test.high]).all()
    assert "| n/a | n/a to n/a | too few cases |" in significance.tests_markdown([test])


def test_the_interval_of_two_patients():
    """A resample has the mean 0, 0.5 or 1, a quarter of them 0 and 1: the interval spans all."""
    scores = scores_of("one", [0.0, 1.0]) + scores_of("two", [0.0, 0.0])
    [test] = wilcoxon(scores)
    assert (test.low, test.high) == (0.0, 1.0)
    assert wilcoxon(scores) == [test]


def test_the_interval_is_that_of_the_normal_distribution_for_many_cases():
    differences = np.random.default_rng(1).normal(0.02, 0.05, 400)
    [test] = wilcoxon(scores_of("one", differences) + scores_of("two", np.zeros(400)))
    error = 1.96 * differences.std(ddof=1) / 20
    assert test.low == pytest.approx(differences.mean() - error, abs=0.1 * error)
    assert test.high == pytest.approx(differences.mean() + error, abs=0.1 * error)


def test_patients_are_drawn_with_all_their_labels_and_cases():
    """Twice the same values of a patient say no more than once: the interval stays as it is."""
    once = scores_of("one", [0.1, 0.2, 0.3, 0.4]) + scores_of("two", [0.0] * 4)
    labels = once + [replace(score, label="other") for score in once]
    cases = once + [replace(score, case=f"{score.case} again") for score in once]
    patients = {score.case: score.case.removesuffix(" again") for score in cases}
    [alone], [with_labels], [with_cases] = wilcoxon(once), wilcoxon(labels), wilcoxon(cases, patients=patients)
    for twice in (with_labels, with_cases):
        assert (twice.n, twice.patients) == (8, 4)
        assert (twice.low, twice.high) == pytest.approx((alone.low, alone.high))
    assert wilcoxon(cases)[0].high < alone.high


def test_correction_for_several_comparisons():
    """p of 0.01, 0.04 and 0.03, three comparisons: 3 * 0.01, 2 * 0.03, and 0.04, which may not be below 0.06."""
    assert holm([0.01, 0.04, None, 0.03]) == [pytest.approx(0.03), pytest.approx(0.06), None, pytest.approx(0.06)]
    assert holm([0.7, 0.8]) == [1.0, 1.0]
    assert holm([0.02]) == [0.02]
    assert holm([]) == []


def test_every_pair_of_models_is_compared():
    values = np.random.default_rng(0).uniform(0.5, 1, (3, 8))
    tests = wilcoxon([s for name, row in zip("abc", values, strict=True) for s in scores_of(name, row)])
    assert [(one.first, one.second) for one in tests] == [("a", "b"), ("a", "c"), ("b", "c")]
    assert all(one.p <= one.p_holm <= 1 for one in tests)
