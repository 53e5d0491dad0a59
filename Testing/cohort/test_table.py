"""The table of a cohort as Parquet, beside the CSV that all other tests look at."""

import pytest
from made_up.cohorts import table_of


def test_parquet_says_the_same_as_csv(cohort, scans, out):
    parquet = pytest.importorskip("pyarrow.parquet")
    (scans / "b.nii.gz").write_bytes(b"noise")
    assert cohort(scans) == 1
    rows = parquet.read_table(out / "cohort.parquet").to_pylist()
    assert [{name: "" if value is None else str(value) for name, value in row.items()} for row in rows] == table_of(out)
    assert isinstance(rows[0]["volume_ml"], float)
    assert isinstance(rows[0]["slices"], int)
    assert rows[1]["volume_ml"] is None


def test_without_pyarrow_there_is_no_parquet(cohort, scans, out, monkeypatch):
    monkeypatch.setattr("AttnSegLib.cohort.table.find_spec", lambda _name: None)
    assert cohort(scans / "a.nii.gz") == 0
    assert not (out / "cohort.parquet").exists()
    assert table_of(out)[0]["status"] == "done"
