"""Splits: by patient, in the papers' proportions, and never with one image on two sides."""

from functools import partial

import pytest

from AttnSegLib.errors import InputError
from training.slices.case import Case
from training.slices.split import Split, refuse_shared_images


def cases(*ids, patient=None):
    return [Case(case_id, patient or case_id, partial(pytest.fail, "a split reads nothing")) for case_id in ids]


def ids(part):
    return [case.id for case in part]


def test_named_cases_leave_the_training():
    parts = Split(validation=("b",), test=("d",)).deal(cases("a", "b", "c", "d"))
    assert tuple(map(ids, parts)) == (["a", "c"], ["b"], ["d"])


def test_a_pattern_names_many():
    parts = Split(test=("val_*",)).deal(cases("train_1", "train_2", "val_1", "val_2"))
    assert tuple(map(ids, parts)) == (["train_1", "train_2"], [], ["val_1", "val_2"])


@pytest.mark.parametrize(
    ("shares", "patients", "sizes"),
    [
        ((13, 2, 5), 20, (13, 2, 5)),
        ((236, 5, 40), 281, (236, 5, 40)),
        ((57, 5, 20), 82, (57, 5, 20)),
        ((170, 10, 30), 210, (170, 10, 30)),
        ((0.7, 0.1, 0.2), 300, (210, 30, 60)),
        ((5, 0, 1), 131, (109, 0, 22)),
        ((14, 2, 4), 12, (9, 1, 2)),
    ],
)
def test_shares_are_dealt_exactly(shares, patients, sizes):
    parts = Split(shares=shares).deal(cases(*(f"p{n:03d}" for n in range(patients))))
    assert tuple(map(len, parts)) == sizes
    assert len({case.id for part in parts for case in part}) == patients


def test_a_split_depends_on_its_seed_and_on_nothing_else():
    patients = cases(*(f"p{n}" for n in range(20)))
    first = Split(shares=(13, 2, 5)).deal(patients)
    assert ids(Split(shares=(13, 2, 5)).deal(patients[::-1]).test) == ids(first.test)[::-1]
    assert ids(Split(shares=(13, 2, 5), seed=1).deal(patients).test) != ids(first.test)


def test_three_folds_test_fifteen_subjects():
    patients = cases(*(f"p{n:02d}" for n in range(20)))
    tested = [ids(Split(shares=(13, 2, 5), fold=fold).deal(patients).test) for fold in range(3)]
    assert len({case_id for part in tested for case_id in part}) == 15


def test_the_cases_of_a_patient_stay_together():
    pairs = [case for n in range(8) for case in cases(f"p{n} left", f"p{n} right", patient=f"p{n}")]
    parts = Split(shares=(2, 1, 1)).deal(pairs)
    assert tuple(map(len, parts)) == (8, 4, 4)
    with pytest.raises(InputError, match="Patient 'p0' is in two parts"):
        Split(test=("p0 left",)).deal(pairs)


@pytest.mark.parametrize(
    ("split", "message"),
    [
        ({"validation": ("x",)}, "no case 'x'; it has: a, b"),
        ({"test": ("*",)}, "none of the 2 cases for training"),
        ({"shares": (0, 1, 1)}, "the first not 0"),
        ({"shares": (1, 1)}, "three numbers"),
        ({"shares": (1, 1, 1), "test": ("a",)}, "not by both"),
    ],
)
def test_splits_that_make_no_sense_are_refused(split, message):
    with pytest.raises(InputError, match=message):
        Split(**split).deal(cases("a", "b"))


def test_one_image_under_two_ids_may_not_be_on_two_sides():
    parts = Split(test=("c",)).deal(cases("a", "b", "c"))
    refuse_shared_images(parts, {"a": "1", "b": "1", "c": "2"})
    with pytest.raises(InputError, match="'b' and 'c' are the same image"):
        refuse_shared_images(parts, {"a": "1", "b": "2", "c": "2"})
