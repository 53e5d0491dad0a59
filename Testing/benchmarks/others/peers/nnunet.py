"""nnU-Net v2: its `nnUNetPredictor`, configuration "2d", with a network of ours in the place of its own.

The plans are made for the scan: a patch as large as the slice, so that each slice is one tile, and the scan's own
spacing, so that nothing is resampled. Everything else is as nnU-Net sets it: Gaussian weights, a step of half a tile
(there is one only), half precision on a GPU by its own autocast, one tile at a time, which it offers no choice of.
Mirroring is its default and costs four passes; without it (`--disable_tta`) it does what the others do. Files go
through its `SimpleITKIO` and `predict_single_npy_array`, in this process: `nnUNetv2_predict` would start processes for
reading and writing, which pays only for many scans. Intensities: its `CTNormalization`, told the scan's range, which
saves it the percentiles that the others take from an MR. Its own number of threads is that of the others.
"""

from __future__ import annotations

import contextlib
import io
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from Testing.benchmarks.others.peers import Logits, OnlyLogits, Segment, Setting

LABELS = {"background": 0, "organ": 1}


class _TwoClasses(OnlyLogits):
    """nnU-Net's networks have a channel for the background; where a network has one channel, 0 says the same as its
    sigmoid."""

    def forward(self, slices: Tensor) -> Tensor:
        logits = super().forward(slices)
        return logits if logits.shape[1] > 1 else torch.cat([torch.zeros_like(logits), logits], dim=1)


def network_alone(network: nn.Module, setting: Setting) -> Logits:
    predictor = _predictor(network, setting)

    def logits(slices: Tensor) -> Tensor:  # (N, 1, H, W) is (channel, slice, H, W) for nnU-Net, and back
        with _its_kernels():
            return predictor.predict_sliding_window_return_logits(slices.transpose(0, 1)).transpose(0, 1)

    return logits


def end_to_end(network: nn.Module, setting: Setting) -> Segment:
    predictor = _predictor(network, setting)
    reader = predictor.plans_manager.image_reader_writer_class()

    def segment(image_file: Path, folder: Path) -> Path:
        image, properties = reader.read_images([str(image_file)])
        with _its_kernels():
            predictor.predict_single_npy_array(image, properties, None, str(folder / "labels"), False)
        return folder / "labels.nii.gz"

    return segment


@contextlib.contextmanager
def _its_kernels() -> Iterator[None]:
    """With cuDNN's search for the fastest kernels, which its predictor switches on, and nobody else here does."""
    torch.backends.cudnn.benchmark = True
    try:
        yield
    finally:
        torch.backends.cudnn.benchmark = False


def _predictor(network: nn.Module, setting: Setting) -> Any:
    os.environ["nnUNet_def_n_proc"] = str(setting.threads)  # noqa: SIM112 its spelling; read at its import
    with contextlib.redirect_stdout(io.StringIO()):  # it asks for folders of data sets, and tells of its defaults
        from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor
        from nnunetv2.utilities.plans_handling.plans_handler import PlansManager

        predictor = nnUNetPredictor(
            use_mirroring=setting.mirrored,
            perform_everything_on_device=setting.device.type == "cuda",
            device=setting.device,
            allow_tqdm=False,
        )
    plans = PlansManager(_plans(setting))
    data_set = {"channel_names": {"0": "image"}, "labels": LABELS, "file_ending": ".nii.gz"}
    only_logits = _TwoClasses(network).eval()
    weights = [only_logits.state_dict()]
    predictor.manual_initialization(
        only_logits, plans, plans.get_configuration("2d"), weights, data_set, "nnUNetTrainer", (0, 1)
    )
    torch.backends.cudnn.benchmark = False
    return predictor


def _plans(setting: Setting) -> dict[str, Any]:
    lower, upper = setting.intensities
    x, y, z = setting.spacing
    resampling = {"is_seg": False, "order": 3, "order_z": 0, "force_separate_z": None}
    configuration = {
        "data_identifier": "nnUNetPlans_2d",
        "preprocessor_name": "DefaultPreprocessor",
        "batch_size": 1,
        "patch_size": list(setting.size),
        "median_image_size_in_voxels": list(setting.size),
        "spacing": [y, x],
        "normalization_schemes": ["CTNormalization"],
        "use_mask_for_norm": [False],
        "resampling_fn_data": "resample_data_or_seg_to_shape",
        "resampling_fn_data_kwargs": resampling,
        "resampling_fn_seg": "resample_data_or_seg_to_shape",
        "resampling_fn_seg_kwargs": resampling | {"is_seg": True, "order": 1},
        "resampling_fn_probabilities": "resample_data_or_seg_to_shape",
        "resampling_fn_probabilities_kwargs": resampling | {"order": 1},
        "architecture": {"network_class_name": "", "arch_kwargs": {}, "_kw_requires_import": []},
        "batch_dice": True,
    }
    return {
        "dataset_name": "Dataset001_MadeUp",
        "plans_name": "nnUNetPlans",
        "original_median_spacing_after_transp": [z, y, x],
        "original_median_shape_after_transp": [1, *setting.size],
        "image_reader_writer": "SimpleITKIO",
        "transpose_forward": [0, 1, 2],
        "transpose_backward": [0, 1, 2],
        "configurations": {"2d": configuration},
        "experiment_planner_used": "ExperimentPlanner",
        "label_manager": "LabelManager",
        # (clip(voxel, lower, upper) - mean) / std is then the window of the others
        "foreground_intensity_properties_per_channel": {
            "0": {"mean": lower, "std": upper - lower, "percentile_00_5": lower, "percentile_99_5": upper}
        },
    }
