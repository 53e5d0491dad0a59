"""Blocks that remember: of a network that runs again with one change, only what the change reaches is computed again.

With 40 maps to switch off in turn, most of the work would be the same 40 times.
"""

from __future__ import annotations

from types import TracebackType
from typing import Any

import torch
from torch import Tensor, nn


class RememberedBlocks:
    """While the `with` block lasts, each block of a network that is given tensors it has had before gives what it gave
    then, to the bit the same as if it was computed. Only for networks in evaluation mode, whose sole steps in place are
    ReLUs: doing these twice changes nothing. A block with a hook inside is always computed.
    """

    def __init__(self, network: nn.Module):
        self._blocks: list[Any] = [one for one in network.modules() if one is not network]
        self._known: dict[nn.Module, list[tuple[tuple[Any, ...], Tensor]]] = {}
        self.learns = True  # whether what is new is remembered

    def forget(self) -> None:
        """Everything, and learn anew."""
        self._known, self.learns = {}, True

    def __enter__(self) -> RememberedBlocks:
        for block in self._blocks:
            self._listen(block)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.forget()
        for block in self._blocks:
            del block.forward

    def _listen(self, block: Any) -> None:
        compute, inside = block.forward, list(block.modules())

        def forward(*given: Any) -> Any:
            if any(one._forward_hooks for one in inside) or not all(isinstance(one, Tensor) for one in given):
                return compute(*given)
            for before, output in self._known.get(block, ()):
                if all(_is_same(*pair) for pair in zip(before, given, strict=True)):
                    return output
            output = compute(*given)
            if self.learns and isinstance(output, Tensor):
                self._known.setdefault(block, []).append((given, output))
            return output

        block.forward = forward


def _is_same(before: Tensor, given: Tensor) -> bool:
    return before is given or (before.shape == given.shape and torch.equal(before, given))
