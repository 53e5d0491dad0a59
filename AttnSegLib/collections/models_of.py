"""The models that were taught from a collection. No torch."""

from __future__ import annotations

from collections.abc import Iterable

from AttnSegLib.collections.collection import Collection
from AttnSegLib.errors import InputError
from AttnSegLib.models.card import ModelSpec
from AttnSegLib.models.catalog import load_models


def latest_model(collection: Collection) -> ModelSpec:
    """The model of the user's that was last taught from a collection of this name and these segments. Raises
    `InputError` if there is none."""
    own = taught_from(collection, load_models())
    if not own:
        raise InputError(f"No model has been taught from '{collection.name}' yet; teach one first.")
    return own[0]


def taught_from(collection: Collection, models: Iterable[ModelSpec]) -> list[ModelSpec]:
    """Those models that were taught from a collection of this name and these segments, the latest first."""
    title = f"{collection.name} in {collection.modality} ("
    own = [
        spec
        for spec in models
        if spec.training.dataset is not None
        and spec.training.dataset.name == "collection"
        and spec.title.startswith(title)
        and [label.id for label in spec.labels] == [label.id for label in collection.segments]
        and spec.is_available
    ]
    return sorted(own, key=lambda spec: -spec.weights_path.stat().st_mtime)
