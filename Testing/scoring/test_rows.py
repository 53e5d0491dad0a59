"""Tables of what was measured: what is written is read again."""

from dataclasses import dataclass

import pytest

from AttnSegLib.errors import InputError
from training.scoring.rows import read_rows, write_rows


@dataclass(frozen=True)
class Line:
    case: "str"
    voxels: "int"
    share: "float"


def test_what_is_written_is_read_again(tmp_path):
    lines = [Line("a, with a comma", 3, 1 / 3), Line("b", 0, float("nan"))]
    write_rows(tmp_path / "whole.csv", Line, lines)
    write_rows(tmp_path / "short.csv", Line, lines, digits=2)
    first, second = read_rows(tmp_path / "whole.csv", Line, "us")
    assert first == lines[0]
    assert (second.case, second.voxels) == ("b", 0)
    assert second.share != second.share
    assert read_rows(tmp_path / "short.csv", Line, "us")[0].share == 0.33


@pytest.mark.parametrize("text", ["case,voxels\na,1\n", "case,voxels,share\na,much,0.5\n", "case,voxels,share\na\n"])
def test_another_table_is_refused(tmp_path, text):
    path = tmp_path / "other.csv"
    path.write_text(text)
    with pytest.raises(InputError, match=r"other.csv' is not a table that training.trust wrote; delete it"):
        read_rows(path, Line, "training.trust")
