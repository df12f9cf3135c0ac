"""The metric of "Write a metric"."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from torch import Tensor

import kinema
from kinema.plugins import Plugins
from kinema.testing import MetricContract


# --8<-- [start:class]
class Sharpness:
    """How much detail the last frame has, as a share of the first frame's."""

    def measure(self, frames: Tensor, motion: kinema.Motion) -> Mapping[str, float]:
        """``sharpness``: 1 where nothing is lost; frames are uint8 (T, H, W, 3)."""
        grey = frames.float().mean(dim=-1)
        detail = grey.diff(dim=1).abs().mean(dim=(1, 2)) + grey.diff(dim=2).abs().mean(dim=(1, 2))
        if not float(detail[0]):
            raise kinema.InputError("The first frame has no detail that could be lost.")
        return {"sharpness": float(detail[-1] / detail[0])}


# --8<-- [end:class]


# --8<-- [start:offer]
@kinema.hookimpl
def kinema_metrics() -> Iterator[kinema.offers.MetricOffer]:
    yield kinema.offers.MetricOffer(
        name="sharpness",
        summary="How much of the photo's detail is left in the last frame.",
        factory=lambda config: Sharpness(),
    )


# --8<-- [end:offer]


# --8<-- [start:contract]
class TestSharpness(MetricContract):
    def make(self) -> Sharpness:
        return Sharpness()


# --8<-- [end:contract]


def test_it_is_found_by_name() -> None:
    plugins = Plugins()
    plugins.register(type("Plugin", (), {"kinema_metrics": staticmethod(kinema_metrics)}), "mine")
    assert isinstance(plugins.build(kinema.offers.METRIC, "sharpness"), Sharpness)
