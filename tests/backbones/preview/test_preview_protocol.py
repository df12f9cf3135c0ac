"""The preview as a backbone like any other."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import attrs
import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from kinema import CameraPath, Drag, Motion, Plugins, Region
from kinema.config import SampleConfig
from kinema.errors import FormError, InputError
from kinema.interfaces import Backbone, Controller, DepthMap, Request, Scene, check_form
from kinema.levels import Level
from kinema.signals import MotionSignal, stack
from kinema.testing import BackboneContract
from kinema.testing.scenes import textured
from kinema_backbones.preview.backbone import Preview
from kinema_backbones.preview.config import PreviewConfig

# The preview reads the condition layered-motion, which a sister package offers.
pytestmark = pytest.mark.all_packages

Frames = NDArray[np.uint8]
Render = Callable[..., Frames]

LEVEL = Level.exploding(torch.tensor(1.0))


def signal_of(motion: Motion, frames: int) -> MotionSignal:
    width, height = motion.canvas
    wall = DepthMap(depth=torch.full((height, width), 2.0), metric=True, source="test")
    condition = Plugins.installed().build("condition", "layered-motion")
    made: MotionSignal = condition.from_motion(motion, Scene(frames=frames, depth=lambda: wall))
    return made


def request_of(moves: MotionSignal, frames: int, batch: int = 1) -> Request:
    height, width = moves.dense().shape[-2:]
    values: dict[str, Any] = {
        "image": textured(height, width).expand(batch, -1, -1, -1),
        "size": (width, height),
        "frames": frames,
        "fps": 8.0,
        "terms": {"conditional": {}, "unconditional": {}, "motion-free": {}},
        "signal": moves,
    }
    return Request(**values)


SLIDE = Motion(
    canvas=(96, 64),
    drags=[Drag([(40, 30), (60, 36)])],
    regions=[Region(polygon=[(24, 16), (64, 16), (64, 48), (24, 48)])],
)


class TestPreview(BackboneContract):
    def make(self) -> Backbone:
        built: Backbone = Plugins.installed().build("backbone", "preview")
        return built

    def signal(self) -> MotionSignal:
        return signal_of(SLIDE, self.frames)

    def controller(self, sites: object) -> Controller | None:
        return None


def test_its_offer_asks_for_layered_motion_and_needs_no_weights() -> None:
    offer = Plugins.installed().find("backbone", "preview").offer
    assert offer.conditions == ("layered-motion",)  # type: ignore[attr-defined]
    assert offer.weights == ()


def test_it_has_one_step_that_the_noise_does_not_touch() -> None:
    backbone = Preview()
    assert backbone.schedule(SampleConfig(steps=25)).sigmas.tolist() == [1.0, 0.0]
    embeddings = list(backbone.embed(request_of(signal_of(SLIDE, 4), 4)).values())
    quiet = backbone.denoise(torch.zeros(1, 4, 3, 64, 96), LEVEL, embeddings)
    loud = backbone.denoise(torch.randn(1, 4, 3, 64, 96), LEVEL, embeddings)
    assert torch.equal(quiet, loud)


def test_all_guidance_terms_are_the_same_so_guidance_changes_nothing() -> None:
    backbone = Preview()
    embeddings = backbone.embed(request_of(signal_of(SLIDE, 4), 4))
    assert set(embeddings) == {"conditional", "unconditional", "motion-free"}
    terms = backbone.denoise(torch.zeros(1, 4, 3, 64, 96), LEVEL, list(embeddings.values()))
    assert terms.shape == (3, 1, 4, 3, 64, 96)
    assert torch.equal(terms[0], terms[1])
    assert torch.equal(terms[0], terms[2])


def test_a_batch_renders_each_photo_with_its_own_motion() -> None:
    other = Motion(canvas=(96, 64), drags=[Drag([(50, 30), (30, 20)])])
    signals = [signal_of(SLIDE, 4), signal_of(other, 4)]
    backbone = Preview()
    both = backbone.embed(request_of(stack(signals), 4, batch=2))["conditional"]
    noise = torch.zeros(2, 4, 3, 64, 96)
    together = backbone.denoise(noise, LEVEL, [both])[0]
    for index, signal in enumerate(signals):
        alone = backbone.embed(request_of(signal, 4))["conditional"]
        assert torch.equal(together[index], backbone.denoise(noise[:1], LEVEL, [alone])[0, 0])


def test_one_motion_serves_a_batch_of_photos() -> None:
    backbone = Preview()
    embedding = backbone.embed(request_of(signal_of(SLIDE, 4), 4, batch=2))["conditional"]
    frames = backbone.denoise(torch.zeros(2, 4, 3, 64, 96), LEVEL, [embedding])[0]
    assert torch.equal(frames[0], frames[1])


@pytest.mark.parametrize(
    ("size", "frames"), [((8, 8), 2), ((1, 5), 2), ((33, 17), 3), ((97, 63), 7), ((513, 321), 2)]
)
@pytest.mark.parametrize(
    "motion",
    [
        {"drags": [Drag([(0.4, 0.4), (0.9, 0.6)])]},
        {"regions": [{"polygon": [(0, 0), (0.6, 0), (0.6, 0.7)]}], "drags": [[(0.2, 0.1), (2, 1)]]},
        {"camera": CameraPath.parse("dolly:0.3+orbit:20+roll:10")},
        {"camera": CameraPath.parse("zoom:0.4")},
    ],
)
def test_any_size_and_frame_count(
    render: Render, size: tuple[int, int], frames: int, motion: dict[str, Any]
) -> None:
    width, height = size
    picture = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
    made = Motion(canvas=(1, 1), **motion) if size == (1, 1) else _scaled(motion, size)
    video = render(picture, made, frames)
    assert video.shape == (frames, height, width, 3)
    assert np.array_equal(video[0], picture)


def _scaled(motion: dict[str, Any], size: tuple[int, int]) -> Motion:
    width, height = size

    def to_canvas(points: Any) -> list[tuple[float, float]]:
        return [(x * (width - 1), y * (height - 1)) for x, y in points]

    drags = [
        Drag(to_canvas(drag.points if isinstance(drag, Drag) else drag))
        for drag in motion.get("drags", ())
    ]
    regions = [Region(polygon=to_canvas(region["polygon"])) for region in motion.get("regions", ())]
    return Motion(canvas=size, drags=drags, regions=regions, camera=motion.get("camera"))


def test_decode_clamps_and_encode_is_the_pixels() -> None:
    backbone = Preview()
    frames = torch.rand(1, 3, 3, 8, 8)
    assert torch.equal(backbone.encode(frames), frames)
    assert torch.equal(backbone.decode(frames), frames)
    assert torch.equal(backbone.decode(frames * 3 - 1), (frames * 3 - 1).clamp(0, 1))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"image": torch.zeros(1, 3, 64, 95)}, r"\(B, 3, 64, 96\), got \(1, 3, 64, 95\)"),
        ({"image": "photo.jpg"}, r"\(B, 3, 64, 96\), got 'str'"),
        ({"signal": None}, "reads the condition layered-motion .*, got no signal"),
        (
            {"signal": MotionSignal(maps=torch.zeros(4, 2, 64, 96), channels=("dx", "dy"))},
            "got the channels dx, dy",
        ),
        ({"frames": 5}, r"\(4, 6, 64, 96\), which does not fit 1 photos with 5 frames of 96x64"),
    ],
)
def test_it_names_what_does_not_fit(change: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        Preview().embed(attrs.evolve(request_of(signal_of(SLIDE, 4), 4), **change))


def test_it_names_sizes_and_latents_that_do_not_fit() -> None:
    backbone = Preview()
    with pytest.raises(FormError, match=r"make 1 frames of 96x64 pixels. .* makes is frames=2\.$"):
        check_form(backbone, "preview", (96, 64), 1)
    with pytest.raises(FormError, match=r"2 frames of 0x64 pixels. .* makes is size=\(1, 64\)\.$"):
        check_form(backbone, "preview", (0, 64), 2)
    check_form(backbone, "preview", (3840, 2160), 64)
    with pytest.raises(FormError, match=r"65 frames of 3840x2160 pixels. .* makes is frames=64\.$"):
        check_form(backbone, "preview", (3840, 2160), 65)
    with pytest.raises(FormError, match=r"makes is size=\(23170, 11585\), frames=2\.$"):
        backbone.embed(attrs.evolve(request_of(signal_of(SLIDE, 4), 4), size=(2**15, 2**14)))
    embedding = backbone.embed(request_of(signal_of(SLIDE, 4), 4))["conditional"]
    with pytest.raises(InputError, match=r"\(1, 3, 3, 64, 96\), but embedded 1 photos with 4"):
        backbone.denoise(torch.zeros(1, 3, 3, 64, 96), LEVEL, [embedding])


def test_a_controller_is_refused() -> None:
    with pytest.raises(InputError, match="no sites for the controller object to act on"):
        Preview().attach(object())  # type: ignore[arg-type]


@pytest.mark.parametrize("feather", [-1.0, 65.0, float("nan")])
def test_an_impossible_feather_is_refused(feather: float) -> None:
    with pytest.raises(InputError, match="feather must be from 0 to 64 pixels"):
        PreviewConfig(feather=feather)
