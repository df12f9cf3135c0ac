"""The records that plugins yield: what they offer, known without importing any tensor library."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import attrs

from kinema.config import SampleConfig

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


def _no_files(config: Any) -> Iterable[Path]:
    return ()


@attrs.frozen(kw_only=True)
class Offer:
    """What every offer says about itself.

    Attributes:
        name: how configs and the command line ask for it; lower case with dashes.
        summary: one sentence.
        factory: builds the thing from a ``config``; heavy imports happen inside it.
        config: the frozen attrs class of its options, torch-free, one docstring per field.
        weights: files it cannot work without.
        files: paths of the files that it reads when it is built with a ``config``, found without
            reading them. They are hashed into manifests and tell preparations apart; options that
            name them are recorded as absolute paths.
    """

    name: str
    summary: str
    factory: Callable[[Any], Any]
    config: type[Any] = NoConfig
    weights: tuple[WeightFile, ...] = ()
    files: Callable[[Any], Iterable[Path]] = _no_files


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


#: What a backbone may read of a request beyond photo and motion.
Input = Literal["prompt", "negative-prompt", "last-image", "references"]


@attrs.frozen(kw_only=True)
class NativeForm:
    """The form that a backbone makes best, used where nobody names one.

    Attributes:
        size: (width, height); of other shapes, sizes of about its area.
        frames: T.
        fps: frames per second.
        multiple: what widths and heights are multiples of.
    """

    size: tuple[int, int]
    frames: int
    fps: float
    multiple: int = 8


@attrs.frozen(kw_only=True)
class BackboneOffer(Offer):
    """A video model.

    Attributes:
        conditions: names of the conditions whose signals it reads itself, in channel order.
        sample: the frozen attrs class of its sampling options: :class:`kinema.SampleConfig`, a
            subclass of it with a schedule and a guidance, or any other for one that has no steps.
        training: the frozen attrs class of its options of training, torch-free.
        native: the form it makes best; None if all are alike to it.
        reads: what it reads beyond photo and motion. A text that it does not read is reported,
            a picture refused.
        batches: whether it makes several videos of one form in one pass.
        controller: name of the controller that comes along with its own weights, if any; it is
            used where neither weights nor a controller are named.
    """

    factory: Callable[[Any], Backbone]
    conditions: tuple[str, ...] = ()
    sample: type[Any] = SampleConfig
    training: type[Any] = NoConfig
    native: NativeForm | None = None
    reads: tuple[Input, ...] = ()
    batches: bool = False
    controller: str = ""


@attrs.frozen(kw_only=True)
class TrackerOffer(Offer):
    """A way to see how a real clip moves."""

    factory: Callable[[Any], Tracker]


@attrs.frozen(kw_only=True)
class DepthEstimatorOffer(Offer):
    """A way to find a photo's depth.

    Attributes:
        path_option: the option that takes a file, if this one reads depth from files: a path where
            a depth estimator is asked for then means it.
        default: whether it is the one to use where depth is needed and none is named.
    """

    factory: Callable[[Any], DepthEstimator]
    path_option: str = ""
    default: bool = False


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
