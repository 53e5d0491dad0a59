"""The commands `attnseg models import`, `download` and `delete`.

Each imports the store only when it runs: http and zip files would double the time that listing the models takes.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import TYPE_CHECKING

from AttnSegLib.commands.progress import progress_bar
from AttnSegLib.errors import InputError
from AttnSegLib.models.card import ModelSpec
from AttnSegLib.models.catalog import find_model, load_models

if TYPE_CHECKING:
    from AttnSegLib.models.download import Download

_PAUSE = 0.1  # s between two updates of the progress bar
_SHOWN = 5  # maps of a model


def add_to(models: argparse.ArgumentParser) -> None:
    """Add the commands to the parser of `attnseg models`, which lists the models if none of them is given."""
    actions = models.add_subparsers(metavar="ACTION", title="actions (without one: list the models)")

    importing = actions.add_parser("import", help="take over a model folder, or a zip file of one")
    importing.set_defaults(run=_import)
    importing.add_argument("path", type=Path, metavar="PATH")
    importing.add_argument("--overwrite", action="store_true", help="replace a model of yours that has the same id")

    downloading = actions.add_parser("download", help="fetch the weights of a model")
    downloading.set_defaults(run=_download)
    downloading.add_argument("id", metavar="ID")

    deleting = actions.add_parser("delete", help="remove a model that was imported or downloaded")
    deleting.set_defaults(run=_delete)
    deleting.add_argument("id", metavar="ID")


def map_lines(spec: ModelSpec, *, every: bool) -> list[str]:
    """A line for each attention map of a model with its influence, the most influential first: for every one, or for
    the first few and those shown by default, with a line on the others."""
    titles, default = spec.maps_by_influence, dict.fromkeys(spec.attention, " (default)")
    others = [] if every else [title for title in titles[_SHOWN:] if title not in default]
    if len(others) == 1:  # which is no longer than a line on it
        others = []
    shown = [title for title in titles if title not in others]
    width = max(map(len, shown), default=0)
    lines = [f"{title:{width}}  {spec.words_on(title)}{default.get(title, '')}" for title in shown]
    if others:
        known = [one.influence for title in others if (one := spec.influence_of(title))]
        most = f", influence at most {max(known):.3f}" if len(known) == len(others) else ""
        lines.append(f"{len(others)} more{most}; --all-maps lists them")
    return lines


def _import(options: argparse.Namespace) -> int:
    from AttnSegLib.models import store

    before = [(model, model.is_available) for model in load_models()]
    spec = store.import_model(options.path, overwrite=options.overwrite)
    hint = "" if spec.is_available else f" Its weights are still to be fetched: attnseg models download {spec.id}"
    if (spec, spec.is_available) in before:
        print(f"Model '{spec.id}' is here already, in {spec.folder}.{hint}")
    else:
        print(f"Imported model '{spec.id}' ({spec.title}; weights {spec.licence}) into {spec.folder}.{hint}")
    return 0


def _delete(options: argparse.Namespace) -> int:
    from AttnSegLib.models import store

    store.delete(find_model(options.id))
    print(f"Deleted model '{options.id}'.")
    return 0


def _download(options: argparse.Namespace) -> int:
    from AttnSegLib.models import store

    spec = find_model(options.id)
    if spec.is_available:
        print(f"The weights of model '{spec.id}' are here already: {spec.weights_path}")
        return 0
    _wait(store.Download(spec), spec)
    print(f"The weights of model '{spec.id}' are here and verified: {spec.weights_path}")
    return 0


def _wait(download: Download, spec: ModelSpec) -> None:
    """Run a download and show its progress. Raises `InputError` with the reason if it fails."""
    with progress_bar(spec.id, unit="B", unit_scale=True) as bar:
        download.start()
        try:
            while not (state := download.poll()).finished:
                bar.show(state.done, state.total or None)
                time.sleep(_PAUSE)
        except KeyboardInterrupt:
            download.cancel()
            while not download.poll().finished:
                time.sleep(_PAUSE)
            raise
    if state.error:
        raise InputError(state.error)
