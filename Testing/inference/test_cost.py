"""One arithmetic of cost: what pre-flight tells is what the engine plans."""

import dataclasses

import numpy as np
import pytest

from AttnSegLib.images.volume import Volume
from AttnSegLib.inference.cost import Load, Place, lanes_and_size, memory_bytes, seconds, slices_at_once
from AttnSegLib.models.card_file import CARD, load_card
from AttnSegLib.models.preprocessing import Preprocessing

CARD_PLACE = Place("cuda", 1, 80 * 10**9)


@pytest.fixture
def spec(a_model_folder):
    return load_card(a_model_folder / CARD)


def test_a_card_gets_what_keeps_it_busy():
    assert slices_at_once(Place("cuda"), Load(1000, 256 * 256)) == 32
    assert slices_at_once(Place("mps"), Load(1000, 4096 * 4096)) == 1


def test_a_card_gets_what_fits_into_half_of_its_free_memory():
    assert slices_at_once(Place("cuda", 1, 1000), Load(1000, 10, bytes_per_pixel=5)) == 10
    assert slices_at_once(Place("cuda", 1, 1000), Load(1000, 10, bytes_per_pixel=500)) == 1
    assert slices_at_once(Place("cuda", 1, 1000), Load(1000, 2**16)) == 32  # nobody knows


def test_a_cpu_gets_few_slices_for_each_lane_and_little_memory_beside_the_first():
    assert slices_at_once(Place("cpu", 8), Load(1000, 256 * 256, bytes_per_pixel=1.0)) == 16
    assert slices_at_once(Place("cpu", 8), Load(1000, 512 * 512, bytes_per_pixel=1000.0)) == 2
    assert slices_at_once(Place("cpu", 8), Load(1000, 512 * 512)) == 1  # nobody knows


def test_flips_and_an_own_choice_of_the_batch_count_as_slices():
    assert lanes_and_size(CARD_PLACE, Load(1000, 256 * 256, views=4)) == (1, 8)
    assert lanes_and_size(CARD_PLACE, Load(1000, 256 * 256), 7) == (1, 7)
    assert lanes_and_size(CARD_PLACE, Load(1000, 256 * 256, views=4), 7) == (1, 1)


def test_memory_is_that_of_all_slices_at_once():
    wide = Load(700, 512 * 512, bytes_per_pixel=2712.0)
    assert memory_bytes(CARD_PLACE, wide) == 8 * 512 * 512 * 2712.0  # GB, not that of a fixed number of slices
    assert memory_bytes(Place("cpu", 8), wide) == 512 * 512 * 2712.0
    assert memory_bytes(CARD_PLACE, dataclasses.replace(wide, slices=3)) == 3 * 512 * 512 * 2712.0
    assert memory_bytes(CARD_PLACE, dataclasses.replace(wide, views=4)) == 8 * 512 * 512 * 2712.0


def test_time_is_work_by_speed():
    load = Load(10, 500_000, views=4, gmacs_per_megapixel=50.0)
    assert load.gmacs == 1000
    assert seconds(Place("cuda"), load, 20.0) == 50
    assert seconds(Place("cpu"), load) > seconds(Place("mps"), load) > seconds(Place("cuda"), load)
    assert seconds(Place("xpu"), load) == seconds(Place("cpu"), load)


@pytest.mark.parametrize(
    "preprocessing",
    [
        Preprocessing("axial", window=(0, 1)),
        Preprocessing("sagittal", pixel_spacing=0.7, window=(0, 1), multiple=32),
        Preprocessing("acquired", size=(40, 70), window=(0, 1)),
    ],
)
def test_what_preflight_reckons_with_is_what_the_engine_sees(spec, preprocessing):
    from AttnSegLib.inference.preprocess import SliceStack

    volume = Volume(np.zeros((9, 30, 53), np.int16), np.diag([1.0, 1.5, 4.0, 1.0]))
    stack = SliceStack.of(volume, preprocessing)
    load = Load.of(volume, preprocessing, spec.facts)
    height, width = stack.model_size
    assert (load.slices, load.pixels) == (len(stack), height * width)


@pytest.mark.parametrize("flips", [False, True])
def test_what_preflight_reckons_with_is_what_the_engine_plans(spec, flips):
    from AttnSegLib.inference import probabilities
    from AttnSegLib.inference.device import Compute, place_of
    from AttnSegLib.inference.predictor import SlicePredictor

    volume = Volume(np.zeros((40, 60, 50), np.int16), np.eye(4))
    load = Load.of(volume, spec.preprocessing, spec.facts, flips=flips)
    assert load.views == (len(probabilities._FLIPS) if flips else 1)
    runner = SlicePredictor.from_model(spec, Compute("cpu")).runner
    assert runner.lanes(load.slices, load.pixels, load.views) == lanes_and_size(place_of(runner.device), load)
