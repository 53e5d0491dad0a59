"""How long a thousand cases take in a browser: python -m Testing.benchmarks.waiting.cohort_page

Promised: the page is under 20 MB, painted within 2 s, filtered within 100 ms. By Chromium, without a window.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from AttnSegLib.cohort.cohort_folder import CohortFolder
from AttnSegLib.cohort.one_case import CohortCase
from AttnSegLib.cohort.page.page import page_text
from AttnSegLib.cohort.records import CaseRecord
from AttnSegLib.models.catalog import find_model
from AttnSegLib.results.pictures.thumbnail import THUMBNAIL

_MODEL = "anunet-hippocampus-mr"
_ROUNDS = 5
# Each filter and the layout that follows; the page is as it was after a look at its first rows.
_MEASURE = """<script>window.addEventListener("load", () => {
  const words = document.getElementById("words"), took = [];
  for (let round = 0; round < %d; round++) {
    for (const text of ["case01", "", "damaged", "case0 9", ""]) {
      const begin = performance.now();
      words.value = text;
      words.dispatchEvent(new Event("input"));
      document.body.offsetHeight;
      took.push(performance.now() - begin);
    }
  }
  document.title = "TOOK " + took.map((ms) => ms.toFixed(1)).join(" ") + " LOADED " + performance.now().toFixed(0);
});</script></body>"""


def main() -> None:
    """Print size, time until the page is there, and of the filter the median and the longest."""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if chromium is None:
        sys.exit("This needs Chromium; on Debian: sudo apt install chromium.")
    with tempfile.TemporaryDirectory() as name:
        text = _page(Path(name))
        (Path(name) / "page.html").write_text(text.replace("</body>", _MEASURE % _ROUNDS), encoding="utf-8")
        options = ["--headless", "--no-sandbox", "--disable-gpu", "--window-size=1300,900", "--dump-dom"]
        command = [chromium, *options, (Path(name) / "page.html").as_uri()]
        shown = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    found = re.search(r"TOOK ([\d. ]+) LOADED (\d+)", shown)
    assert found is not None, shown[:500]
    took = np.array(found[1].split(), float)
    print(f"{len(text) / 1e6:.1f} MB, loaded in {found[2]} ms")
    print(f"filter and layout: median {np.median(took):.0f} ms, longest {took.max():.0f} ms of {len(took)}")


def _page(out: Path) -> str:
    """Of a thousand made-up cases, every fiftieth of which failed, with thumbnails of noise, the largest there are."""
    spec, folder, random = find_model(_MODEL), CohortFolder(out), np.random.default_rng(0)
    noise = sitk.GetImageFromArray(random.integers(0, 127, (112, 228, 3)).astype(np.uint8), isVector=True)
    sitk.WriteImage(noise, str(out / THUMBNAIL), useCompression=True, compressionLevel=20)
    records = []
    for number in range(1000):
        case = CohortCase(f"case{number:04}", out / f"case{number}.nii.gz")
        segments = [{"id": label.id, "name": label.name, "volume_ml": random.normal(3, 0.4)} for label in spec.labels]
        report = {
            "segments": segments,
            "slices_to_check": [{"index": int(index)} for index in random.integers(0, 40, random.integers(0, 9))],
            "expected_dice": random.uniform(0.6, 0.95),
            "notices": ["The file does not say where the first voxel is (taken as 0); check that this is right."],
            "segmentation": ["segmentation.seg.nrrd"],
        }
        records.append(CaseRecord(case, spec, report if number % 50 else None, "" if number % 50 else "It is damaged."))
        place = folder.results(case, spec.id)
        place.mkdir(parents=True)
        shutil.copy(out / THUMBNAIL, place / THUMBNAIL)
    return page_text(records, folder)


if __name__ == "__main__":
    main()
