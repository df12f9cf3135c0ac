"""The records that plugins yield: what they offer, known without importing any tensor library."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

import attrs

if TYPE_CHECKING:
    from kinema.interfaces import (
        Backbone,
        ClipSource,
        Condition,
        Controller,
        DepthEstimator,
        Importer,
        Metric,
        Tracker,
    )


@attrs.frozen(kw_only=True)
class WeightFile:
    """A file of weights that an offer needs, for errors, ``kinema doctor`` and licence reports.

    Attributes:
        path: file inside the weights folder.
        bytes: size, 0 where it is not known.
        sha256: hex digest, empty where it is not known.
        hub: repository it comes from.
        licence: SPDX id or the licence's own name.
    """

    path: str
    hub: str
    licence: str
    bytes: int = 0
    sha256: str = ""


@attrs.frozen
class NoConfig:
    """The config of an offer that has no options."""


@attrs.frozen(kw_only=True)
class Offer:
    """What every offer says about itself.

    Attributes:
        name: how configs and the command line ask for it; lower case with dashes.
        summary: one sentence.
        factory: builds the thing from a ``config``; heavy imports happen inside it.
        config: the frozen attrs class of its options, torch-free, one docstring per field.
        weights: files it cannot work without.
    """

    name: str
    summary: str
    factory: Callable[[Any], Any]
    config: type[Any] = NoConfig
    weights: tuple[WeightFile, ...] = ()


@attrs.frozen(kw_only=True)
class ConditionOffer(Offer):
    """A way to turn a Motion or an Observation into a MotionSignal."""

    factory: Callable[[Any], Condition]


@attrs.frozen(kw_only=True)
class ControllerOffer(Offer):
    """A network (or function) that turns a MotionSignal into actions.

    Attributes:
        conditions: names of the conditions whose signals it needs, in channel order.
    """

    factory: Callable[[Any], Controller]
    conditions: tuple[str, ...]


@attrs.frozen(kw_only=True)
class BackboneOffer(Offer):
    """A video model.

    Attributes:
        conditions: names of the conditions whose signals it reads itself, in channel order.
        sample: options of the sampling loop that suit it better than the defaults.
        controller: name of the controller that comes along with its own weights, if any; it is
            used where neither weights nor a controller are named.
    """

    factory: Callable[[Any], Backbone]
    conditions: tuple[str, ...] = ()
    sample: Mapping[str, Any] = attrs.field(factory=dict)
    controller: str = ""


@attrs.frozen(kw_only=True)
class TrackerOffer(Offer):
    """A way to see how a real clip moves."""

    factory: Callable[[Any], Tracker]


@attrs.frozen(kw_only=True)
class DepthEstimatorOffer(Offer):
    """A way to find a photo's depth."""

    factory: Callable[[Any], DepthEstimator]


@attrs.frozen(kw_only=True)
class MetricOffer(Offer):
    """A way to score a video."""

    factory: Callable[[Any], Metric]


@attrs.frozen(kw_only=True)
class ImporterOffer(Offer):
    """A reader of foreign checkpoints."""

    factory: Callable[[Any], Importer]


@attrs.frozen(kw_only=True)
class ClipSourceOffer(Offer):
    """A place that training clips come from.

    An option called ``folder`` is what ``kinema prepare FOLDER`` fills.
    """

    factory: Callable[[Any], ClipSource]


AnyOffer = TypeVar("AnyOffer", bound=Offer)
