"""What people type, as mypy sees it: checked with everything else, never run.

A ``type: ignore`` here says that the line before it is refused; mypy complains of one too many.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, assert_type

import kinema
from kinema import interfaces, offers
from kinema.found import Found, Observer
from kinema.media.manifest import Manifest
from kinema.plugins import Plugins
from kinema.session.options import SessionOptions


def a_motion() -> kinema.Motion:
    motion = kinema.Motion(canvas=(512, 320), drags=[kinema.Drag([(200, 150), (260, 130)])])
    assert_type(motion.canvas, tuple[int, int])
    assert_type(motion.drags[0], kinema.Drag)
    assert_type(motion.fitted((256, 160)), kinema.Motion)
    return motion


def a_video(motion: kinema.Motion) -> None:
    video = kinema.animate("cat.jpg", motion, "preview", frames=16, seed=3)
    assert_type(video, kinema.Video)
    assert_type(video.size, tuple[int, int])
    assert_type(video.save("cat.mp4"), Path)
    assert_type(video.manifest, Manifest | None)
    print(video.manifest.seed)  # type: ignore[union-attr]
    assert video.manifest is not None
    assert_type(video.manifest.seed, int)
    assert_type(video.manifest.notes, tuple[str, ...])
    kinema.animate("cat.jpg", [(1, 2)])  # type: ignore[arg-type]
    kinema.animate("cat.jpg", motion, controler="")  # type: ignore[call-arg]
    kinema.animate("cat.jpg", motion, events=3)  # type: ignore[arg-type]


def a_session(motion: kinema.Motion) -> None:
    with kinema.Session("preview", device="cpu", sample={"steps": 4}) as session:
        assert_type(session, kinema.Session)
        for seed in range(3):
            assert_type(session.animate("cat.jpg", motion, seed=seed), kinema.Video)
        session.animate("cat.jpg", motion, seeds=[1, 2])  # type: ignore[call-arg]


def options_passed_on(motion: kinema.Motion) -> None:
    options: SessionOptions = {"controller": Path("runs/first"), "events": ["tensorboard"]}
    assert_type(kinema.animate("cat.jpg", motion, **options), kinema.Video)
    options["conditions"] = ("region-trajectory", "motion-mask")
    options["condition_options"] = {"region-trajectory": {"k": 6}}
    options["controler"] = ""  # type: ignore[typeddict-unknown-key]
    options["events"] = 3  # type: ignore[typeddict-item]


def offers_by_kind(plugins: Plugins) -> None:
    found = plugins.find(offers.BACKBONE, "preview")
    assert_type(found, Found[offers.BackboneOffer])
    assert_type(found.offer.conditions, tuple[str, ...])
    assert_type(plugins.find(offers.CONDITION, "motion-mask").offer, offers.ConditionOffer)
    assert_type(plugins.all(offers.SOLVER), list[Found[offers.SolverOffer]])
    print(plugins.find(offers.METRIC, "sharpness").offer.conditions)  # type: ignore[attr-defined]

    assert_type(plugins.build(offers.CONDITION, "motion-mask"), interfaces.Condition)
    assert_type(plugins.build(offers.CONTROLLER, "modulation"), interfaces.Controller)
    assert_type(plugins.build(offers.BACKBONE, "preview", {"memory": 2}), interfaces.Backbone)
    assert_type(plugins.build(offers.SOLVER, "heun"), interfaces.Solver)
    assert_type(plugins.build(offers.TRACKER, "dis"), interfaces.Tracker)
    assert_type(plugins.build(offers.DEPTH_ESTIMATOR, "zoedepth"), interfaces.DepthEstimator)
    assert_type(plugins.build(offers.METRIC, "sharpness"), interfaces.Metric)
    assert_type(plugins.build(offers.IMPORTER, "motionpro"), interfaces.Importer)
    assert_type(plugins.build(offers.CLIP_SOURCE, "videos"), interfaces.ClipSource)
    assert_type(plugins.build(offers.COMMAND, "animate"), offers.Command)


def offers_by_the_name_of_their_kind(plugins: Plugins) -> None:
    assert_type(plugins.find("condition", "motion-mask"), Found[offers.Offer])
    assert_type(plugins.all("condition"), list[Found[offers.Offer]])
    assert_type(plugins.all(), list[Found[offers.Offer]])
    assert_type(plugins.build("condition", "motion-mask"), Any)
    assert_type(plugins.event_plugins(), list[Observer])


def a_condition_that_lacks_its_other_face() -> offers.ConditionOffer:
    class Ripple:
        channels = ("height",)

        def from_motion(
            self, motion: kinema.Motion, scene: interfaces.Scene
        ) -> kinema.MotionSignal:
            raise NotImplementedError

    def build(config: offers.NoConfig) -> Ripple:
        return Ripple()

    return offers.ConditionOffer(name="ripple", summary="Rings.", factory=build)  # type: ignore[arg-type]
