"""Put models into a folder for upload: python -m training.release MODEL ... --out FOLDER --address https://...

For models that are too large to lie in the repository: the weights alone, which the module downloads, the whole model
as a zip file, which it imports, and their checksums. The cards of cards/, which know the address, belong into
Resources/Models.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import zipfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from AttnSegLib.errors import InputError
from AttnSegLib.models.card import ModelSpec
from AttnSegLib.models.card_file import CARD, load_card, write_card
from AttnSegLib.models.catalog import find_model, load_models, sha256_of
from AttnSegLib.models.places import user_folder

_LONG_AGO = (1980, 1, 1, 0, 0, 0)  # the earliest time that a zip file knows: the same model makes the same file
SUMS = "SHA256SUMS"


def main(arguments: list[str] | None = None) -> int:
    """Command line; returns the exit code."""
    options = _parser().parse_args(arguments)
    try:
        specs = [find_model(name) for name in options.models] or load_models(user_folder())
        if not specs:
            raise InputError(f"There is no model in '{user_folder()}'; train and export one, or name some.")
        for path in release(specs, options.out, options.address):
            print(f"{path} ({path.stat().st_size / 1e6:.1f} MB)")
    except InputError as error:
        print(f"Error: {error}", file=sys.stderr)
        return 2
    return 0


def release(specs: Sequence[ModelSpec], out: Path, address: str) -> list[Path]:
    """Write weights, zip file and card of each model, and the checksums; returns what is to be uploaded.

    address: where the files will be, without their names. Raises `InputError` if it is not an https one, if the folder
    exists, or if weights are not those of their card.
    """
    if not address.startswith("https://"):
        raise InputError(f"'{address}' is not an https address; cards must name a protected one.")
    if out.exists():
        raise InputError(f"'{out}' exists already; move it away, or give another --out.")
    for spec in specs:
        if not spec.is_available or sha256_of(spec.weights_path) != spec.sha256:
            raise InputError(f"The weights of model '{spec.id}' are missing or damaged; export the model again.")
    out.mkdir(parents=True)
    made = [path for spec in specs for path in _release(spec, out, address.rstrip("/"))]
    sums = out / SUMS
    sums.write_text("".join(f"{sha256_of(path)}  {path.name}\n" for path in made), encoding="utf-8")
    return [*made, sums]


def _release(spec: ModelSpec, out: Path, address: str) -> list[Path]:
    weights, whole = out / f"{spec.id}.safetensors", out / f"{spec.id}.zip"
    shutil.copyfile(spec.weights_path, weights)
    others = [path for path in sorted(spec.folder.iterdir()) if path.is_file() and path.name != spec.weights]
    with zipfile.ZipFile(whole, "w") as file:
        for path in [*others, spec.weights_path]:
            name = spec.weights if path == spec.weights_path else path.name
            entry = zipfile.ZipInfo(f"{spec.id}/{name}", _LONG_AGO)
            entry.external_attr = 0o644 << 16
            file.writestr(entry, path.read_bytes())  # weights do not shrink: stored as they are
    card = out / "cards" / spec.id
    card.mkdir(parents=True)
    for path in others:
        shutil.copyfile(path, card / path.name)
    write_card(replace(spec, url=f"{address}/{weights.name}", size_bytes=weights.stat().st_size), card)
    load_card(card / CARD)
    return [weights, whole]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m training.release", description="Put models into a folder for upload, with checksums."
    )
    parser.add_argument("models", nargs="*", metavar="MODEL", help="ids or folders (default: all that were exported)")
    parser.add_argument("--out", type=Path, required=True, metavar="FOLDER", help="a new folder")
    parser.add_argument("--address", required=True, help="where its files will be had: https://...")
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
