"""From the records of a cohort to its page."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Sequence
from html import escape
from pathlib import Path
from urllib.parse import quote

from AttnSegLib import __version__
from AttnSegLib.cohort.cohort_folder import TABLE, CohortFolder
from AttnSegLib.cohort.page.distribution import Bead, distribution_svg
from AttnSegLib.cohort.page.outliers import fences
from AttnSegLib.cohort.records import CaseRecord
from AttnSegLib.results.pictures.thumbnail import THUMBNAIL
from AttnSegLib.results.results_folder import OVERVIEW, REPORT

_HERE = Path(__file__).parent
_SAFE = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'"
_SLICES = 6  # to check, of which the table names that many
_KINDS = {"all": "all rows", "failed": "failed", "check": "with slices to check", "outlier": "with an outlier"}


def page_text(records: Sequence[CaseRecord], folder: CohortFolder) -> str:
    """The page as HTML. Thumbnails are taken from the folders of results, and stay in the page."""
    return "".join(_Page(records, folder).parts())


class _Page:
    def __init__(self, records: Sequence[CaseRecord], folder: CohortFolder):
        self._records, self._folder = records, folder
        self._beads: dict[tuple[str, str], list[Bead]] = {}
        for record in records:
            for segment in record.report["segments"] if record.report else []:
                bead = Bead(segment["volume_ml"], _row_id(record), record.case.name)
                self._beads.setdefault((record.spec.id, segment["name"]), []).append(bead)
        self._fences = {key: fences([bead.value for bead in beads]) for key, beads in self._beads.items()}
        self._segments = list(dict.fromkeys(name for _, name in self._beads))

    def parts(self) -> Iterator[str]:
        style, script = ((_HERE / name).read_text(encoding="utf-8") for name in ("page.css", "page.js"))
        yield '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><title>Cohort</title>'
        yield f'<meta http-equiv="Content-Security-Policy" content="{_SAFE}">'
        yield '<meta name="viewport" content="width=device-width, initial-scale=1">'
        yield f"<style>\n{style}</style></head>\n<body><main>"
        yield from self._summary()
        yield from self._failures()
        yield from self._distributions()
        yield from self._table()
        yield f"</main><script>\n{script}</script></body></html>\n"

    def _summary(self) -> Iterator[str]:
        by_status = {status: sum(record.status == status for record in self._records) for status in _STATUSES}
        told = ", ".join(f"{count} {status}" for status, count in by_status.items() if count)
        cases = len({record.case.name for record in self._records})
        yield f"<h1>Cohort of {cases} case{'s' * (cases != 1)}</h1>\n<p>{told}. "
        yield f'All numbers: <a href="{TABLE}">{TABLE}</a>. Not a medical device: for research only.</p>\n<ul>'
        for spec in {record.spec.id: record.spec for record in self._records}.values():
            yield f"<li><b>{escape(spec.id)}</b>: {escape(spec.title)}; weights {escape(spec.licence)}, "
            yield f"SHA-256 <code>{spec.sha256[:16]}</code></li>"
        yield f"<li>AttnSeg {__version__}</li></ul>\n"

    def _failures(self) -> Iterator[str]:
        failed = [record for record in self._records if record.status == "failed"]
        if failed:
            yield f"<h2>Failed: {len(failed)}</h2>\n<ul>"
            for record in failed:
                about = f"{escape(record.case.name)} ({escape(record.spec.id)})"
                yield f'<li><b>{about}</b>: <span class="sentence">{escape(record.sentence)}</span></li>\n'
            yield "</ul>\n"

    def _distributions(self) -> Iterator[str]:
        if self._beads:
            yield "<h2>Volumes</h2>\n<p>Red marks are outliers: more than 1.5 times the distance between the quartiles "
            yield 'beyond them. Each leads to its row.</p>\n<div class="charts">'
            several = len({model for model, _ in self._beads}) > 1
            for (model, name), beads in self._beads.items():
                yield distribution_svg(f"{name} ({model})" if several else name, "mL", beads) + "\n"
            yield "</div>\n"

    def _table(self) -> Iterator[str]:
        heads = ["Case", "Model", *(f"{name}, mL" for name in self._segments), "Trust", "Slices to check", "Notices"]
        kinds = "".join(f'<option value="{value}">{text}</option>' for value, text in _KINDS.items())
        yield "<h2>Cases</h2>\n<p>Trust is the mean Dice that the network itself expects. Slices are counted from 0, "
        yield 'the most doubtful first.</p>\n<div class="controls">'
        yield '<label>Words <input id="words" type="search"></label>'
        yield f'<label>Show <select id="kind">{kinds}</select></label><output id="count"></output></div>\n'
        style = f"--segments: {max(1, len(self._segments))}"
        yield f'<div class="scroll"><table role="table" style="{style}"><thead role="rowgroup"><tr role="row">'
        yield '<th role="columnheader" scope="col">Slice</th>'
        for head in heads:
            yield f'<th role="columnheader" scope="col"><button type="button">{escape(head)}</button></th>'
        yield '</tr></thead><tbody role="rowgroup">\n'
        for record in self._records:
            yield from self._row(record)
        yield "</tbody></table></div>\n"

    def _row(self, record: CaseRecord) -> Iterator[str]:
        report = record.report
        doubtful = [str(one["index"]) for one in report["slices_to_check"]] if report else []
        yield f'<tr role="row" id="{escape(_row_id(record))}" class="{record.status}" data-check="{len(doubtful)}">'
        yield _cell(self._thumbnail(record)) + _cell(self._links(record)) + _cell(escape(record.spec.id))
        volumes = {one["name"]: one["volume_ml"] for one in report["segments"]} if report else {}
        for name in self._segments:
            yield self._volume(record.spec.id, name, volumes.get(name))
        trust = report.get("expected_dice") if report else None
        yield _cell("" if trust is None else f"{trust:.3f}", kind="number")
        more = f" and {len(doubtful) - _SLICES} more" if len(doubtful) > _SLICES else ""
        yield _cell(f"{', '.join(doubtful[:_SLICES])}{more}", value=len(doubtful) if report else "")
        told = " ".join(report["notices"]) if report else record.sentence or "not done yet"
        yield _cell(escape(told), kind="notices") + "</tr>\n"

    def _volume(self, model: str, name: str, volume: float | None) -> str:
        if volume is None:
            return _cell("", kind="number")
        lower, upper = self._fences[model, name]
        kind = "number" if lower <= volume <= upper else "number outlier"
        return _cell(f"{volume:.2f}", kind=kind, value=volume)

    def _thumbnail(self, record: CaseRecord) -> str:
        path = self._folder.results(record.case, record.spec.id) / THUMBNAIL
        if record.report is None or not path.is_file():
            return ""
        picture = base64.b64encode(path.read_bytes()).decode("ascii")
        told = f"The largest slice of {record.case.name}: outline, and attention"
        return f'<img loading="lazy" decoding="async" alt="{escape(told)}" src="data:image/jpeg;base64,{picture}">'

    def _links(self, record: CaseRecord) -> str:
        name = escape(record.case.name)
        if record.report is None:
            return name
        place = quote(f"cases/{record.case.name}/{record.spec.id}")
        files = [REPORT, *record.report.get("segmentation", [])]
        files += [OVERVIEW] * (self._folder.results(record.case, record.spec.id) / OVERVIEW).is_file()
        links = ", ".join(f'<a href="{place}/{quote(file)}">{escape(file)}</a>' for file in files)
        return f"<b>{name}</b><br><small>{links}</small>"


def _cell(content: str, *, kind: str = "", value: float | str | None = None) -> str:
    """value: to sort by, if not the text. Roles, since the style sheet makes grids of rows."""
    known = f' class="{kind}"' * bool(kind) + (f' data-value="{value}"' if value is not None else "")
    return f'<td role="cell"{known}>{content}</td>'


_STATUSES = ("done", "failed", "waiting")


def _row_id(record: CaseRecord) -> str:
    return f"{record.case.name}--{record.spec.id}"
