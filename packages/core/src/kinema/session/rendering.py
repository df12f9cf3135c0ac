"""The frames of a backbone that renders, made one after another."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

from kinema.errors import Cancelled
from kinema.interfaces import Backbone, Renders, Request, Step, Term
from kinema.sampling import AfterStep, check_finite

#: Rows of a rendered picture that are rounded at once.
ROWS = 256


def rendered(
    backbone: Renders,
    embeddings: Mapping[Term, Any],
    request: Request,
    config: Any,
    after_step: AfterStep | None,
    cancel: Callable[[], bool] | None,
) -> Tensor:
    """The frames uint8 ``(B, T, H, W, 3)``, on the CPU.

    Raises:
        Cancelled: ``cancel`` said so.
        NotFiniteError: a frame holds a number that is not finite.
    """
    assert isinstance(backbone, Backbone)
    width, height = request.size
    frames = torch.empty(len(request.image), request.frames, height, width, 3, dtype=torch.uint8)
    for index, pictures in enumerate(backbone.rendered(embeddings["conditional"])):
        if cancel is not None and cancel():
            raise Cancelled(f"The run was cancelled after {index} of {request.frames} frames.")
        if pictures.dtype == torch.uint8:
            frames[:, index] = pictures.permute(0, 2, 3, 1)
            continue
        # By rows, so that no second picture in floating point is held.
        for part, into in zip(
            pictures.split(ROWS, 2), frames[:, index].split(ROWS, 1), strict=True
        ):
            check_finite(part, f"The renderer gave {{found}} in frame {index}")
            levels = (part.float().clamp(0, 1) * 255).round_().to(torch.uint8)
            into.copy_(levels.permute(0, 2, 3, 1))
    if after_step is not None:
        view = frames.permute(0, 1, 4, 2, 3)
        after_step(Step(index=0, schedule=backbone.schedule(config), noise=view[:0]), view, view)
    return frames
