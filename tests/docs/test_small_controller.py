"""The controller that "Write a controller" shows, whole."""

from __future__ import annotations

# --8<-- [start:class]
from collections.abc import Sequence
from typing import Any

import attrs
import torch
from torch import nn

from kinema.errors import InputError
from kinema.interfaces import Action, Actions, Controller, Scene, Site
from kinema.signals import MotionSignal


class Nudge(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.strength = nn.Parameter(torch.zeros(()))  # zero: a fresh one changes nothing

    def actions(
        self, signal: MotionSignal, sites: Sequence[Site], scenes: Sequence[Scene]
    ) -> Actions:
        chosen = [site for site in sites if site.kind == "feature"]
        if not chosen:
            raise InputError("nudge needs a feature site, and this backbone lists none.")
        return {site.name: self.at(site, signal) for site in chosen}

    def at(self, site: Site, signal: MotionSignal) -> Action:
        told = signal.folded(site.temporal_stride)  # the frames that the site has
        motion = told.channel("dx").flatten(0, -3)  # (B * T', H, W)
        small = nn.functional.avg_pool2d(motion[:, None], site.stride)  # (B * T', 1, h, w)
        push = self.strength * small / site.stride  # once per video
        return lambda h: h + push.to(h.dtype)  # in every step


# --8<-- [end:class]

# --8<-- [start:contract]
from kinema.testing import ControllerContract  # noqa: E402


class TestNudge(ControllerContract):
    def make(self) -> Controller:
        return Nudge()


# --8<-- [end:contract]

# --8<-- [start:offer]
from collections.abc import Iterable  # noqa: E402

from kinema import hookimpl, offers  # noqa: E402


def build(config: Any) -> Controller:
    return Nudge()


@hookimpl
def kinema_controllers() -> Iterable[offers.ControllerOffer]:
    yield offers.ControllerOffer(
        name="nudge",
        summary="Adds the horizontal motion to every feature.",
        factory=build,
        conditions=("region-trajectory",),
    )


# --8<-- [end:offer]


def test_it_acts_once_it_is_trained() -> None:
    controller = Nudge()
    nn.init.ones_(controller.strength)
    site = Site(name="a", kind="feature", channels=4, stride=8, module="a")
    maps = torch.full((2, 2, 16, 16), 8.0)
    actions = controller.actions(MotionSignal(maps=maps, channels=("dx", "dy")), [site], [])
    assert torch.equal(actions["a"](torch.zeros(2, 4, 2, 2)), torch.ones(2, 4, 2, 2))
    folds = attrs.evolve(site, temporal_stride=4)
    longer = MotionSignal(maps=torch.full((5, 2, 16, 16), 8.0), channels=("dx", "dy"))
    acted = controller.actions(longer, [folds], [])["a"](torch.zeros(2, 4, 2, 2))
    assert torch.equal(acted, torch.ones(2, 4, 2, 2)), "two latent frames of five"
    [offer] = kinema_controllers()
    assert isinstance(offer.factory(offer.config()), Controller)
