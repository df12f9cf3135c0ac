"""The hooks by which a plugin offers something, in the order in which they are called."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from kinema.hooks import hookspec

if TYPE_CHECKING:
    from kinema.offers import (
        BackboneOffer,
        BenchmarkOffer,
        ClipSourceOffer,
        CommandOffer,
        ConditionOffer,
        ControllerOffer,
        DepthEstimatorOffer,
        ImporterOffer,
        MetricOffer,
        SetMetricOffer,
        SolverOffer,
        TrackerOffer,
    )


@hookspec
def kinema_conditions() -> Iterable[ConditionOffer]:  # type: ignore[empty-body]
    """Offer ways to turn motion into a signal.

    Example::

        import kinema

        def build(config):
            from my_plugin.ripple import Ripple  # torch loads here, not at discovery
            return Ripple(config)

        @kinema.hookimpl
        def kinema_conditions():
            yield kinema.offers.ConditionOffer(
                name="ripple", summary="Rings that run outward from each drag.", factory=build
            )
    """


@hookspec
def kinema_controllers() -> Iterable[ControllerOffer]:  # type: ignore[empty-body]
    """Offer networks or functions that turn a signal into actions at a backbone's sites.

    Example::

        import kinema

        def build(config):
            from my_plugin.nudge import Nudge
            return Nudge(config)

        @kinema.hookimpl
        def kinema_controllers():
            yield kinema.offers.ControllerOffer(
                name="nudge",
                summary="Adds the motion to the first feature site.",
                factory=build,
                conditions=("region-trajectory", "motion-mask"),
            )
    """


@hookspec
def kinema_backbones() -> Iterable[BackboneOffer]:  # type: ignore[empty-body]
    """Offer video models.

    Example::

        import kinema

        def build(config):
            from my_plugin.model import MyBackbone
            return MyBackbone(config)

        @kinema.hookimpl
        def kinema_backbones():
            yield kinema.offers.BackboneOffer(
                name="my-model", summary="A video model of ours.", factory=build
            )
    """


@hookspec
def kinema_solvers() -> Iterable[SolverOffer]:  # type: ignore[empty-body]
    """Offer ways to take latents from one noise level to the next.

    Example::

        import kinema

        def build(config):
            from my_plugin.midpoint import Midpoint
            return Midpoint()  # a fresh one for every run

        @kinema.hookimpl
        def kinema_solvers():
            yield kinema.offers.SolverOffer(
                name="midpoint", summary="Two predictions a step, the midpoint rule.", factory=build
            )
    """


@hookspec
def kinema_trackers() -> Iterable[TrackerOffer]:  # type: ignore[empty-body]
    """Offer ways to see how a real clip moves.

    Example::

        import kinema

        def build(config):
            from my_plugin.flow import FlowTracker
            return FlowTracker(config)

        @kinema.hookimpl
        def kinema_trackers():
            yield kinema.offers.TrackerOffer(
                name="my-flow", summary="Chained optical flow.", factory=build
            )
    """


@hookspec
def kinema_depth_estimators() -> Iterable[DepthEstimatorOffer]:  # type: ignore[empty-body]
    """Offer ways to find a photo's depth.

    Example::

        import kinema

        def build(config):
            from my_plugin.depth import Flat
            return Flat(config)

        @kinema.hookimpl
        def kinema_depth_estimators():
            yield kinema.offers.DepthEstimatorOffer(
                name="flat", summary="Everything one metre away.", factory=build
            )
    """


@hookspec
def kinema_metrics() -> Iterable[MetricOffer]:  # type: ignore[empty-body]
    """Offer ways to score a video.

    Example::

        import kinema

        def build(config):
            from my_plugin.sharpness import Sharpness
            return Sharpness()

        @kinema.hookimpl
        def kinema_metrics():
            yield kinema.offers.MetricOffer(
                name="sharpness",
                summary="Mean gradient of the frames.",
                factory=build,
                better="more",
            )
    """


@hookspec
def kinema_set_metrics() -> Iterable[SetMetricOffer]:  # type: ignore[empty-body]
    """Offer ways to score a set of videos.

    Example::

        import kinema

        def build(config):
            from my_plugin.spread import Spread
            return Spread()

        @kinema.hookimpl
        def kinema_set_metrics():
            yield kinema.offers.SetMetricOffer(
                name="spread",
                summary="How unlike one another the videos are.",
                factory=build,
                better="more",
            )
    """


@hookspec
def kinema_benchmarks() -> Iterable[BenchmarkOffer]:  # type: ignore[empty-body]
    """Offer sets of items to evaluate models on.

    Example::

        import kinema

        def build(config):
            from my_plugin.kitchen import Kitchen
            return Kitchen(config)

        @kinema.hookimpl
        def kinema_benchmarks():
            yield kinema.offers.BenchmarkOffer(
                name="kitchen",
                summary="Photos of a kitchen with a drag each.",
                factory=build,
                metrics=("trajectory-distance",),
            )
    """


@hookspec
def kinema_importers() -> Iterable[ImporterOffer]:  # type: ignore[empty-body]
    """Offer readers of foreign checkpoints.

    Example::

        import kinema

        def build(config):
            from my_plugin.checkpoint import Reader
            return Reader()

        @kinema.hookimpl
        def kinema_importers():
            yield kinema.offers.ImporterOffer(
                name="their-model", summary="Reads their .ckpt files.", factory=build
            )
    """


@hookspec
def kinema_clip_sources() -> Iterable[ClipSourceOffer]:  # type: ignore[empty-body]
    """Offer places that training clips come from.

    Example::

        import kinema

        def build(config):
            from my_plugin.archive import Archive
            return Archive(config)

        @kinema.hookimpl
        def kinema_clip_sources():
            yield kinema.offers.ClipSourceOffer(
                name="archive", summary="The films of our archive.", factory=build
            )
    """


@hookspec
def kinema_commands() -> Iterable[CommandOffer]:  # type: ignore[empty-body]
    """Offer sub-commands of ``kinema``; the factory gives a ``click.Command``.

    Example::

        import kinema

        def build(config):
            from my_plugin.contact_sheet import command  # click loads here, not at discovery
            return command

        @kinema.hookimpl
        def kinema_commands():
            yield kinema.offers.CommandOffer(
                name="contact-sheet", summary="Lay a video's frames side by side.", factory=build
            )
    """
