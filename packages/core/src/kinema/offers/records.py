"""The records that plugins yield: what they offer."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol, runtime_checkable

import attrs

from kinema.config import SampleConfig

if TYPE_CHECKING:
    from kinema.interfaces import (
        Backbone,
        Benchmark,
        ClipSource,
        Condition,
        Controller,
        DepthEstimator,
        Importer,
        Metric,
        SetMetric,
        Solver,
        Tracker,
    )


@attrs.frozen(kw_only=True)
class WeightFile:
    """A file of weights that an offer needs, for errors, ``kinema doctor`` and licence reports.

    Attributes:
        path: file inside the weights folder, or a pattern such as ``transformer/*.safetensors`` for
            several whose number is the hub's affair.
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


def no_files(config: Any) -> Iterable[Path]:
    """None: the files of an offer that names none."""
    return ()


@attrs.frozen(kw_only=True)
class Offer:
    """What every offer says about itself.

    Attributes:
        name: how configs and the command line ask for it; lower case with dashes, and perhaps in
            brackets what it is computed with, as in ``fid[efficientnet-lite0]``.
        summary: one sentence.
        factory: builds the thing from a ``config``; heavy imports happen inside it.
        config: the frozen attrs class of its options, torch-free, one docstring per field.
        weights: files it cannot work without.
        files: paths of the files that it reads when it is built with a ``config``, found without
            reading them. They are hashed into manifests and tell preparations apart; options that
            name them are recorded as absolute paths.
        default: whether it is taken where one of its kind is needed and none is named.
    """

    name: str
    summary: str
    factory: Callable[[Any], Any]
    config: type[Any] = NoConfig
    weights: tuple[WeightFile, ...] = ()
    files: Callable[[Any], Iterable[Path]] = no_files
    default: bool = False


@attrs.frozen(kw_only=True)
class ConditionOffer(Offer):
    """A way to turn a Motion or an Observation into a MotionSignal.

    Attributes:
        plain: whether it is given Motions without transforms of regions and without playback, both
            written out as the drags that they stand for, frame by frame; False for one that calls
            :meth:`kinema.Motion.written_out` itself, with an interpolation of its own.
    """

    factory: Callable[[Any], Condition]
    plain: bool = True


@attrs.frozen(kw_only=True)
class ControllerOffer(Offer):
    """A network (or function) that turns a MotionSignal into actions.

    Attributes:
        conditions: names of the conditions whose signals it needs, in channel order.
    """

    factory: Callable[[Any], Controller]
    conditions: tuple[str, ...]


#: What a backbone may read of a request beyond photo and motion. ``vanishing`` are the times at
#: which regions of the motion appear and vanish.
Input = Literal["prompt", "negative-prompt", "last-image", "references", "plate", "vanishing"]


#: How alike a backbone makes a video alone and in one pass with others.
Batches = Literal["no", "exact", "close"]


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
class Encoding:
    """What encodes clips for a backbone, without what only denoises.

    Attributes:
        factory: builds from the backbone's config what has all of a backbone but weights to denoise
            with: ``encode``, ``encodings``, forms and sites work.
        files: paths of the files that it reads then, as :attr:`Offer.files`.
    """

    factory: Callable[[Any], Backbone]
    files: Callable[[Any], Iterable[Path]] = no_files


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
            a picture and regions that appear or vanish are refused.
        any_rate: whether it makes any number of frames of a motion equally well. A rate that is
            named alone then gives more or fewer frames of the motion's duration; other backbones
            play the frames that they make best at that rate.
        batches: whether it makes several videos of one form in one pass: ``no``; ``exact``, each to
            the bit what it would be alone; or ``close``, but for rounding, as most networks do,
            whose kernels are chosen by the size of the batch.
        controller: name of the controller that comes along with its own weights, if any; it is
            used where neither weights nor a controller are named.
        encoding: what a preparation of clips loads in its place, where the whole is much more.
    """

    factory: Callable[[Any], Backbone]
    conditions: tuple[str, ...] = ()
    sample: type[Any] = SampleConfig
    training: type[Any] = NoConfig
    native: NativeForm | None = None
    reads: tuple[Input, ...] = ()
    any_rate: bool = False
    batches: Batches = "no"
    controller: str = ""
    encoding: Encoding | None = None


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
    """

    factory: Callable[[Any], DepthEstimator]
    path_option: str = ""


#: Which numbers of a metric are the good ones.
Better = Literal["less", "more", "neither"]

#: What a metric needs beyond a video: ``drags`` (seen by a resting camera) or a ``camera`` in the
#: motion; of the ground truth the real video (``truth-frames``), where points go
#: (``truth-motion``), the camera's poses (``truth-camera``) or the photo's depth in their unit
#: (``truth-depth``); or a ``reference`` set of real videos.
Need = Literal[
    "drags",
    "camera",
    "truth-frames",
    "truth-motion",
    "truth-camera",
    "truth-depth",
    "reference",
]


@attrs.frozen(kw_only=True)
class ScoreOffer(Offer):
    """What the offer of any metric says of its numbers.

    Attributes:
        unit: of its numbers, such as ``"px"``; empty for a plain number.
        better: which numbers are the good ones.
        needs: what it cannot do without. An item that lacks one is reported as not applicable.
        published: the published metric that it computes exactly, if it does.
        stands_in_for: the published metric that it is an offline companion of; its numbers cannot
            be compared with published ones, and no table prints them under that name.
    """

    unit: str = ""
    better: Better = "neither"
    needs: tuple[Need, ...] = ()
    published: str = ""
    stands_in_for: str = ""


@attrs.frozen(kw_only=True)
class MetricOffer(ScoreOffer):
    """A way to score a video."""

    factory: Callable[[Any], Metric]


@attrs.frozen(kw_only=True)
class SetMetricOffer(ScoreOffer):
    """A way to score a set of videos."""

    factory: Callable[[Any], SetMetric]


@attrs.frozen(kw_only=True)
class BenchmarkOffer(Offer):
    """A set of items to evaluate models on.

    An option called ``folder`` is what ``kinema evaluate --data FOLDER`` fills.

    Attributes:
        metrics: names of the metrics, of one video and of a set, that are taken where none is
            named.
    """

    factory: Callable[[Any], Benchmark]
    metrics: tuple[str, ...] = ()


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


@attrs.frozen(kw_only=True)
class SolverOffer(Offer):
    """A way to take latents from one noise level to the next.

    The factory is called once for every run, so that a solver may remember its earlier steps.
    """

    factory: Callable[[Any], Solver]


@runtime_checkable
class Command(Protocol):
    """What runs the words after a command's name.

    Core has no command line of its own; the ``kinema`` command wants a ``click.Command``.
    """

    def main(self, args: Sequence[str] | None = None, prog_name: str | None = None) -> Any:
        """Run ``args``, those of the process unless given."""


@attrs.frozen(kw_only=True)
class CommandOffer(Offer):
    """A sub-command of ``kinema``, imported only when it is asked for.

    Its options are those of the command itself; leave ``config`` as it is. The summary is its line
    in ``kinema --help``.
    """

    factory: Callable[[Any], Command]
