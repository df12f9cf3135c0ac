"""The depth estimator ``plane-prior``: a ground ramp, which is a guess and says so."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from kinema.interfaces import DepthMap
from kinema_conditions.configs import PlanePriorConfig


class PlanePrior:
    """A ground plane that recedes from the bottom of the photo to the top.

    It looks at nothing but the photo's size: no weights, no estimate, no unit.
    """

    def __init__(self, config: PlanePriorConfig) -> None:
        self.config = config

    def estimate(self, image: Tensor, fit: Callable[[Any], Any] | None = None) -> DepthMap:
        """Depth of ``image`` ``(3, H, W)``: inverse depth runs linearly over the rows.

        From ``far`` at the top row to ``near`` at the bottom row, as a plane under a level horizon
        does.
        """
        height, width = image.shape[-2:]
        inverse = torch.linspace(
            1 / self.config.far, 1 / self.config.near, height, device=image.device
        )
        depth = (1 / inverse)[:, None].repeat(1, width)
        source = "plane-prior, a prior and not a measurement"
        return DepthMap(depth=depth, metric=False, source=source, prior=True)
