"""From a volume to a label map and attention maps, slice by slice, at bounded memory."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from AttnSegLib import networks
from AttnSegLib.attention import AttentionRecorder, attention_maps
from AttnSegLib.catalog import ModelSpec
from AttnSegLib.device import Compute, describe
from AttnSegLib.errors import Cancelled, InputError
from AttnSegLib.postprocess import keep_largest_component
from AttnSegLib.preprocess import Preprocessing, SliceStack
from AttnSegLib.volume import Volume
from AttnSegLib.weights import load_weights

Progress = Callable[[int, int], None]  # slices done, slices in all


@dataclass(frozen=True, eq=False)
class Prediction:
    """What a model says about a volume, on the volume's own grid.

    label_map: (D, H, W) uint8. attention: title to coefficients (D, H, W), float16. seconds: time spent. device: in
    words. notices: sentences for the user, such as a fall-back to the CPU.
    """

    label_map: np.ndarray
    attention: dict[str, np.ndarray]
    seconds: float
    device: str
    notices: tuple[str, ...] = ()


class SlicePredictor:
    """Runs a network over the slices of volumes. Keep one and use it often: the network stays warm."""

    def __init__(
        self,
        network: nn.Module,
        preprocessing: Preprocessing,
        compute: Compute | None = None,
        *,
        largest_component: bool = False,
    ):
        self.compute = compute or Compute()
        self.device = self.compute.resolve_device()
        self.batch_size = self.compute.resolve_batch_size(self.device)
        self.network = network.eval().to(self.device)
        self.network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # torch's stubs lack it
        self.preprocessing = preprocessing
        self.largest_component = largest_component

    @classmethod
    def from_model(cls, spec: ModelSpec, compute: Compute | None = None, *, level: int | None = None) -> SlicePredictor:
        """The predictor of a trained model, its weights verified; `level` prunes an ANU-Net.

        Raises `InputError` if the weights are damaged or do not fit, or if the network can't be pruned so.
        """
        try:
            network = networks.create(spec.network, **spec.options)
            preprocessing = Preprocessing(**spec.preprocessing)
        except InputError:
            raise
        except (TypeError, ValueError) as error:  # a field of the wrong name or type
            raise InputError(f"The card of model '{spec.id}' is damaged; install the model again.") from error
        try:
            network.load_state_dict(load_weights(spec.weights_path, spec.sha256))
        except RuntimeError as error:
            raise InputError(f"The weights of model '{spec.id}' do not fit its network; install it again.") from error
        if level is not None:
            if not hasattr(network, "pruned"):
                raise InputError(f"The network of model '{spec.id}' can't be pruned; leave the level out.")
            network = network.pruned(level)  # type: ignore[operator]
        return cls(network, preprocessing, compute, largest_component=spec.largest_component)

    @property
    def attention_titles(self) -> list[str]:
        """Titles of the maps that can be asked for."""
        return list(attention_maps(self.network))

    def predict(
        self,
        volume: Volume,
        *,
        attention: Iterable[str] = (),
        progress: Progress | None = None,
        cancelled: Callable[[], bool] | None = None,
    ) -> Prediction:
        """Segment a volume and record the attention maps with the given titles.

        progress is called after every batch; cancelled is asked before every batch. Raises `Cancelled`, and
        `InputError` for an attention map that the network does not have.
        """
        start = time.perf_counter()
        stack = self.preprocessing.stack(volume)
        label_map = np.zeros(volume.voxels.shape, np.uint8)
        recorded = {title: np.zeros(volume.voxels.shape, np.float16) for title in self._known_maps(attention)}
        notices: list[str] = []
        done = 0
        with AttentionRecorder(self.network, recorded) as recorder:
            while done < len(stack):
                if cancelled is not None and cancelled():
                    raise Cancelled
                indices = list(range(done, min(done + self.batch_size, len(stack))))
                predicted = self._try_batch(stack, indices, recorder)
                if predicted is None:
                    notices.append(self._shrink())
                    continue
                labels, maps = predicted
                stack.view(label_map)[indices] = _to_numpy(labels)
                for title, values in maps.items():
                    stack.view(recorded[title])[indices] = _to_numpy(values)
                done += len(indices)
                if progress is not None:
                    progress(done, len(stack))
        if self.largest_component:
            label_map = keep_largest_component(label_map)
        seconds = time.perf_counter() - start
        return Prediction(label_map, recorded, seconds, describe(self.device), tuple(notices))

    def _known_maps(self, titles: Iterable[str]) -> list[str]:
        titles = list(titles)
        for title in titles:
            if title not in self.attention_titles:
                available = ", ".join(self.attention_titles) or "none"
                raise InputError(f"There is no attention map '{title}'; choose from: {available}.")
        return titles

    def _try_batch(
        self, stack: SliceStack, indices: list[int], recorder: AttentionRecorder
    ) -> tuple[Tensor, dict[str, Tensor]] | None:
        """None if memory ran out."""
        try:
            return self._predict_batch(stack, indices, recorder)
        except (torch.OutOfMemoryError, MemoryError):
            return None
        except RuntimeError as error:
            if "can't allocate memory" in str(error) or "out of memory" in str(error):  # as CPU and MPS say it
                return None
            raise

    @torch.inference_mode()
    def _predict_batch(
        self, stack: SliceStack, indices: list[int], recorder: AttentionRecorder
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Labels (n, H, W) uint8 and coefficients (n, H, W) float16 on the volume's grid."""
        slices = stack.slices(indices).to(self.device, memory_format=torch.channels_last)
        with self.compute.autocast(self.device):
            logits = self.network(slices).logits
        labels = _labels(stack.restore(logits.float()))
        maps = {title: stack.restore(values.float())[:, 0].half() for title, values in recorder.maps.items()}
        return labels, maps

    def _shrink(self) -> str:
        """Need less memory from now on: half the batch, then the CPU. Returns the sentence that says so."""
        torch.cuda.empty_cache()
        if self.batch_size > 1:
            self.batch_size //= 2
            return f"The device ran out of memory; went on with batches of {self.batch_size} slice(s)."
        if self.device.type == "cpu":
            raise InputError("There is not enough memory for a single slice; close other programs and try again.")
        self.device = torch.device("cpu")
        self.network.to(self.device)
        return "The device ran out of memory for a single slice; went on with the CPU, which is slower."


def _labels(logits: Tensor) -> Tensor:
    """(n, C, H, W) to labels (n, H, W): over 0.5 for one channel, else the most probable class."""
    labels = logits[:, 0] > 0 if logits.shape[1] == 1 else logits.argmax(dim=1)
    return labels.to(torch.uint8)


def _to_numpy(tensor: Tensor) -> np.ndarray:
    """By DLPack, which works where torch was built for another numpy."""
    return np.from_dlpack(tensor.cpu())
