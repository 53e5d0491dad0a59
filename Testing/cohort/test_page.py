"""`cohort.html`: one file, nothing from the net, and what it shows is what the records say."""

import re
import shutil
import subprocess
from html.parser import HTMLParser

import numpy as np
import pytest

from AttnSegLib.cohort.cohort_folder import CohortFolder
from AttnSegLib.cohort.one_case import CohortCase
from AttnSegLib.cohort.page import page as module
from AttnSegLib.cohort.page.outliers import fences
from AttnSegLib.cohort.page.page import page_text
from AttnSegLib.cohort.records import CaseRecord
from AttnSegLib.models.card_file import CARD, load_card
from AttnSegLib.results.pictures.thumbnail import THUMBNAIL

_ALONE = {"meta", "img", "input", "br", "line", "rect", "path", "link"}


class Reader(HTMLParser):
    """Elements, attributes and text; unbalanced elements are an error."""

    def __init__(self, text):
        super().__init__()
        self.elements, self.texts, self.open = [], [], []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))
        if tag not in _ALONE:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, text):
        if self.open and self.open[-1] not in ("script", "style"):
            self.texts.append(text)

    def all(self, tag):
        return [attributes for name, attributes in self.elements if name == tag]


def report(volume, name="Left atrium"):
    segment = {"id": "left_atrium", "name": name, "volume_ml": volume, "slice_area_mm2": [1.0], "slices": 1}
    check = [{"index": 7, "expected_dice": 0.5, "area_jump": 0.0}]
    return {
        "segments": [segment],
        "slices_to_check": check,
        "expected_dice": 0.9,
        "notices": ["Mind <this> & that."],
        "segmentation": ["segmentation.seg.nrrd"],
    }


@pytest.fixture
def spec(the_model_folder):
    return load_card(the_model_folder / CARD)


@pytest.fixture
def records(spec, tmp_path):
    """Twenty alike, one outlier, one that failed, one with a name that is no HTML, one to be done."""
    volumes = [100 + n % 5 for n in range(20)] + [500]
    found = [CaseRecord(CohortCase(f"case{n}", tmp_path), spec, report(v)) for n, v in enumerate(volumes)]
    bad = CaseRecord(CohortCase("bad", tmp_path), spec, None, "'<b>x</b>' is damaged.")
    return [*found, bad, CaseRecord(CohortCase("later", tmp_path), spec)]


@pytest.fixture
def folder(tmp_path):
    return CohortFolder(tmp_path / "out")


def test_it_is_html_and_asks_the_net_for_nothing(records, folder):
    text = page_text(records, folder)
    page = Reader(text)
    for tag, attributes in page.elements:
        assert not attributes.get("src", "data:").startswith(("http", "//")), tag
        assert not re.match(r"\w+:|//", attributes.get("href", "")), tag
    [policy] = [one["content"] for one in page.all("meta") if "http-equiv" in one]
    assert "default-src 'none'" in policy
    assert "url(" not in text
    assert "@import" not in text


def test_each_case_is_a_row_and_outliers_are_marked(records, folder):
    text = page_text(records, folder)
    page = Reader(text)
    rows = [one for one in page.all("tr") if "id" in one]
    assert [one["id"] for one in rows] == [f"{record.case.name}--tiny" for record in records]
    assert [one["class"] for one in page.all("td") if "outlier" in one.get("class", "")] == ["number outlier"]
    marks = [one for one in page.all("a") if one["href"].startswith("#")]
    assert [one["href"] for one in marks] == ["#case20--tiny"]
    assert "21 values, median 102 mL, 1 outlier<" in text
    assert "23 cases" in text
    assert "21 done, 1 failed, 1 waiting" in text
    assert {one["href"] for one in page.all("a")} >= {"cohort.csv", "cases/case3/tiny/segmentation.seg.nrrd"}


def test_texts_are_texts(records, folder):
    text = page_text(records, folder)
    assert "<this>" not in text
    assert "Mind &lt;this&gt; &amp; that." in text
    assert "&lt;b&gt;x&lt;/b&gt;" in text


def test_it_can_be_used_by_keyboard(records, folder):
    page = Reader(page_text(records, folder))
    sortable = [one for one in page.all("button") if one["type"] == "button"]
    assert len(sortable) == len(page.all("th")) - 1  # all but the pictures
    assert [one["id"] for one in page.all("select") + page.all("input")] == ["kind", "words"]
    assert len(page.all("label")) == 2
    assert all(one["alt"] for one in page.all("img"))


def test_rows_that_are_grids_are_still_a_table_and_can_be_hidden(records, folder):
    text = page_text(records, folder)
    page = Reader(text)
    for tag, role in {"table": "table", "tr": "row", "th": "columnheader", "td": "cell"}.items():
        assert {one.get("role") for one in page.all(tag)} == {role}
    assert "--segments: 1" in text  # as many columns
    assert "tr[hidden] { display: none; }" in text


@pytest.mark.slow
def test_a_thousand_cases_stay_small(spec, folder, tmp_path):
    """5 kB a thumbnail, more than they have."""
    records = [CaseRecord(CohortCase(f"case{n}", tmp_path), spec, report(float(n))) for n in range(1000)]
    for record in records:
        place = folder.results(record.case, "tiny")
        place.mkdir(parents=True)
        (place / THUMBNAIL).write_bytes(bytes(5000))
    text = page_text(records, folder)
    assert text.count("data:image/jpeg;base64,") == 1000
    assert len(text) < 20e6 / 2


def test_a_cohort_of_failures_has_a_page(records, folder):
    text = page_text(records[-2:], folder)
    Reader(text)
    assert "<figure>" not in text


@pytest.mark.parametrize(
    ("values", "outliers"),
    [([1, 2, 3, 4], []), ([1, 2, 3, 4, 5], []), ([1, 2, 3, 4, 5, 50], [50]), ([7, 7, 7, 7, 7, 8], [8]), ([], [])],
)
def test_outliers_are_beyond_the_fences(values, outliers):
    lower, upper = fences(values)
    assert [value for value in values if not lower <= value <= upper] == outliers


@pytest.mark.skipif(shutil.which("node") is None, reason="needs Node")
def test_the_script_is_sound():
    subprocess.run(["node", "--check", str(module._HERE / "page.js")], check=True)


def test_a_thumbnail_is_small_and_upright(tmp_path, spec):
    import SimpleITK as sitk

    from AttnSegLib.images.volume import Volume
    from AttnSegLib.inference.prediction import Prediction
    from AttnSegLib.inference.preprocess import SliceStack
    from AttnSegLib.results.pictures.thumbnail import write_thumbnail

    voxels = np.zeros((3, 40, 80), np.int16)
    voxels[:, 30:] = 100  # anterior
    label_map = np.zeros(voxels.shape, np.uint8)
    label_map[1, 5:15, 60:70] = 1  # to the right, in the back
    stack = SliceStack.of(Volume(voxels, np.diag([1.0, 1, 5, 1])), spec.preprocessing)
    attention = {"gate": np.ones(voxels.shape, np.float16)}
    write_thumbnail(tmp_path / "x.jpg", Prediction(stack, label_map, attention, 0, "cpu", {}), spec.labels)
    picture = sitk.GetArrayFromImage(sitk.ReadImage(str(tmp_path / "x.jpg"))).astype(int)
    assert picture.shape == (56, 228, 3)
    assert picture[:10, :112].mean() > 200  # anterior is up
    reddish = picture[..., 0] - picture[..., 2] > 60
    _, columns = np.nonzero(reddish[:, :112])
    assert columns.mean() < 40  # the patient's right is left
    assert (tmp_path / "x.jpg").stat().st_size < 7000
