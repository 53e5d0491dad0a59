"""Tests whether models differ: paired tests and confidence intervals of their scores."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np

from AttnSegLib.errors import InputError
from training.scoring.scores import Score
from training.scoring.summary import by_key, markdown_table, number, title

_FEWEST = 6  # with 5 pairs, the p of a signed-rank test is never below 0.05
_RESAMPLES = 10_000


@dataclass(frozen=True)
class Test:
    """The difference between two models.

    Args:
        first, second: the models.
        metric: name of the score.
        n: number of pairs: a case and a label for which both models have a score.
        patients: their number.
        left_out: pairs for which one model has no score, or an undefined one.
        difference: mean over the pairs of the first model's score minus the second's.
        low, high: its 95 % confidence interval; NaN for fewer than two patients.
        p: None for fewer than six patients.
        p_holm: p, corrected for all pairs of models.
    """

    __test__ = False  # tells pytest that this class is no test

    first: str
    second: str
    metric: str
    n: int
    patients: int
    left_out: int
    difference: float
    low: float
    high: float
    p: float | None
    p_holm: float | None = None


def wilcoxon(scores: Sequence[Score], metric: str = "dice", patients: Mapping[str, str] | None = None) -> list[Test]:
    """Compare each pair of models by the two-sided Wilcoxon signed-rank test.

    The test assumes that all pairs of case and label are independent, but labels of one case are not. So with several
    labels, trust the confidence interval, a bootstrap that draws whole patients; or give the scores of one label only.

    Args:
        scores: of two models or more.
        metric: name of the score.
        patients: the patient of each case, by case id. Without it, each case counts as another patient.

    Raises:
        InputError: for fewer than two models, or an unknown metric.
    """
    title(metric)
    values = {key: float(getattr(one, metric)) for key, one in by_key(scores).items()}
    models = list(dict.fromkeys(one.model for one in scores))
    if len(models) < 2:
        raise InputError("A comparison needs the scores of two models or more.")
    tests = [_test(values, pair, metric, patients or {}) for pair in combinations(models, 2)]
    corrected = holm([one.p for one in tests])
    return [replace(one, p_holm=p) for one, p in zip(tests, corrected, strict=True)]


def holm(p_values: Sequence[float | None]) -> list[float | None]:
    """The p values of several tests, corrected for their number by Holm's method, in the same order. None stays None.

    If those of at most 0.05 count as significant, the risk that any of them is so by chance is at most 5 %.
    """
    ranked = sorted((p, i) for i, p in enumerate(p_values) if p is not None)
    corrected: list[float | None] = [None] * len(p_values)
    least = 0.0
    for rank, (p, i) in enumerate(ranked):
        corrected[i] = least = max(least, min(1.0, (len(ranked) - rank) * p))
    return corrected


def tests_markdown(tests: Sequence[Test]) -> str:
    """A Markdown table of comparisons."""
    head = ["models", "metric", "pairs", "patients", "mean difference", "95 % CI", "p", "p (Holm)"]
    body = []
    for one in tests:
        mean, low, high = (number(one.metric, value, "+") for value in (one.difference, one.low, one.high))
        dagger = " †" if one.left_out else ""
        pair, counts = f"{one.first} minus {one.second}", [f"{one.n}{dagger}", str(one.patients)]
        body.append([pair, title(one.metric), *counts, mean, f"{low} to {high}", p_text(one.p), p_text(one.p_holm)])
    text = markdown_table(head, body, 2) + (
        "\np: two-sided Wilcoxon signed-rank test; p (Holm): corrected for all pairs of this table; CI: bootstrap over "
        "patients.\n"
    )
    notes = [f"{one.first} minus {one.second}: {one.left_out}" for one in tests if one.left_out]
    return text + (f"\n† Missing or undefined pairs, left out: {'; '.join(notes)}.\n" if notes else "")


def _test(
    values: dict[tuple[str, str, str], float], pair: tuple[str, str], metric: str, patients: Mapping[str, str]
) -> Test:
    keys = dict.fromkeys((case, label) for model, case, label in values if model in pair)
    differences: dict[str, list[float]] = {}
    for case, label in keys:
        first, second = (values.get((model, case, label), np.nan) for model in pair)
        if not np.isnan(first - second):
            # rounded, so that equal differences get equal ranks
            differences.setdefault(patients.get(case, case), []).append(round(first - second, 12))
    every = [value for some in differences.values() for value in some]
    mean = float(np.mean(every)) if every else np.nan
    p = _signed_rank(every) if len(differences) >= _FEWEST else None
    ends = _interval(list(differences.values()))
    return Test(*pair, metric, len(every), len(differences), len(keys) - len(every), mean, *ends, p)


def _signed_rank(differences: list[float]) -> float:
    """p of the signed-rank test. It is exact for up to 50 pairs without ties, or 13 with ties; for more, the normal
    distribution is used."""
    from scipy import stats  # imported here, since it takes half a second

    return float(stats.wilcoxon(differences).pvalue) if any(differences) else 1.0


def _interval(differences: list[list[float]]) -> tuple[float, float]:
    """The 95 % interval of the mean, by a percentile bootstrap over patients. differences: a list for each patient."""
    n = len(differences)
    if n < 2:
        return np.nan, np.nan
    drawn = np.random.default_rng(0).multinomial(n, np.full(n, 1 / n), size=_RESAMPLES)  # how often each is drawn
    means = (drawn @ [sum(some) for some in differences]) / (drawn @ [len(some) for some in differences])
    low, high = np.percentile(means, [2.5, 97.5])
    return float(low), float(high)


def p_text(p: float | None) -> str:
    """A p value as tables show it."""
    if p is None:
        return "too few cases"
    return "< 0.001" if p < 0.001 else f"{p:.3f}"
