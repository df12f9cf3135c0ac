"""The extension points, in the order in which they are called.

A plugin is an installed distribution whose entry point in the group ``kinema`` names a module (or
any object) with functions marked :data:`hookimpl`. Two kinds of hooks exist and no other:

* **Offers** yield records. They are called once, and being installed only makes a thing available.
* **Events** observe a run or a training. They are called only for plugins that it enables by name,
  and what they return is ignored. A plugin with an attribute ``observes_trainings`` that is True
  is also enabled by every training whose recipe says nothing of events.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import pluggy

if TYPE_CHECKING:
    from torch import Tensor

    from kinema.events import Run, Training
    from kinema.levels import Level
    from kinema.media.video import Video
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

PROJECT = "kinema"

hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)

# -- offers ---------------------------------------------------------------------------------------


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


# -- events, in the order of a run ----------------------------------------------------------------


@hookspec
def kinema_run_started(run: Run) -> None:
    """A video is about to be made; everything that will be used is known.

    Example::

        import kinema

        @kinema.hookimpl
        def kinema_run_started(run):
            print("making", run.frames, "frames with", run.backbone)
    """


@hookspec
def kinema_step_finished(
    run: Run, step: int, steps: int, latents: Tensor, level: Level, clean: Tensor
) -> None:
    """A sampling step is done; ``step`` counts from 1.

    ``latents`` ``(B, T', C, h, w)`` are those after the step, at the noise level ``level``;
    ``clean`` is what the network took for the clean latents in this step. An implementation names
    only the arguments that it wants.

    Example::

        import kinema

        @kinema.hookimpl
        def kinema_step_finished(run, step, steps, clean):
            print(f"{step}/{steps}", float(clean.std()))
    """


@hookspec
def kinema_sample_finished(run: Run, video: Video) -> None:
    """The video is made, and not yet written anywhere.

    Example::

        import kinema

        @kinema.hookimpl
        def kinema_sample_finished(run, video):
            print("mean brightness", video.frames.mean())
    """


@hookspec
def kinema_run_failed(run: Run, error: BaseException) -> None:
    """The run ended without a video: it failed, or the caller cancelled it.

    Example::

        import kinema

        @kinema.hookimpl
        def kinema_run_failed(run, error):
            print("no video:", error)
    """


# -- events, in the order of a training -----------------------------------------------------------


@hookspec
def kinema_training_started(training: Training) -> None:
    """A training is about to begin, or to go on from a checkpoint.

    Example::

        import kinema

        @kinema.hookimpl
        def kinema_training_started(training):
            print("training", training.trainable, "parameters on", training.clips, "clips")
    """


@hookspec
def kinema_training_step_finished(
    training: Training, step: int, steps: int, values: Mapping[str, float]
) -> None:
    """A training step is done; ``step`` counts from 1 over all restarts, up to ``steps``.

    ``values`` has ``loss``, ``learning_rate``, ``gradient_norm``, ``clips_per_second``, and
    whatever else the training measures.

    Example::

        import kinema

        @kinema.hookimpl
        def kinema_training_step_finished(training, step, steps, values):
            if step % 100 == 0:
                print(f"{step}/{steps}", values["loss"])
    """


@hookspec
def kinema_training_validated(
    training: Training, step: int, values: Mapping[str, float], videos: Mapping[str, Video]
) -> None:
    """The fixed samples were made and measured, with the motion drawn on each of ``videos``.

    Example::

        import kinema

        @kinema.hookimpl
        def kinema_training_validated(training, step, values, videos):
            for name, video in videos.items():
                video.save(training.folder / f"{name}-{step}.gif")
    """


@hookspec
def kinema_training_checkpoint_saved(training: Training, step: int, folder: Path) -> None:
    """A checkpoint lies complete in ``folder``.

    Example::

        import kinema

        @kinema.hookimpl
        def kinema_training_checkpoint_saved(training, step, folder):
            print("step", step, "is safe in", folder)
    """


@hookspec
def kinema_training_failed(training: Training, step: int, error: BaseException) -> None:
    """The training ended early, after ``step`` steps: it failed, or the caller cancelled it.

    Example::

        import kinema

        @kinema.hookimpl
        def kinema_training_failed(training, step, error):
            print("stopped after step", step, "by", error)
    """


@hookspec
def kinema_training_finished(training: Training, step: int) -> None:
    """All ``step`` steps are done and the last checkpoint is saved.

    Example::

        import kinema

        @kinema.hookimpl
        def kinema_training_finished(training, step):
            print(training.name, "is trained")
    """
