"""Conformance suites to subclass: what each protocol promises, as tests."""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from pathlib import Path

import attrs
import pytest
import torch
from torch import Tensor

from kinema.errors import InputError, KinemaError
from kinema.interfaces import (
    Actions,
    Backbone,
    Condition,
    Controller,
    DepthEstimator,
    Importer,
    Metric,
    Request,
    Scene,
    Site,
    Term,
    Tracker,
)
from kinema.levels import Level
from kinema.motion.camera import CameraPath
from kinema.motion.drag import Drag
from kinema.motion.motion import Motion
from kinema.motion.region import Region
from kinema.noise import Streams
from kinema.signals import MotionSignal
from kinema.testing.scenes import flat_depth, moving_square, scenes, textured


class Contract:
    """What every suite has: promises may be added to, but not overridden away."""

    def test_no_promise_is_overridden(self) -> None:
        """A subclass may only override a promise with ``@pytest.mark.xfail(reason=...)``."""
        for kind in type(self).__mro__:
            if kind.__module__.startswith("kinema.testing"):
                continue
            for name, value in vars(kind).items():
                inherited = any(
                    name in vars(parent)
                    for parent in kind.__mro__[1:]
                    if parent.__module__.startswith("kinema.testing")
                )
                if not (name.startswith("test_") and inherited):
                    continue
                marks = [mark.name for mark in getattr(value, "pytestmark", [])]
                assert "xfail" in marks, f"{kind.__name__}.{name} overrides a promise of the suite"


def check_tracks(signal: MotionSignal, frames: int) -> None:
    """Tracks are float32 (T, N, 2), visibility bool (T, N), and places are numbers where seen."""
    assert signal.tracks is not None
    assert signal.visible is not None
    points = signal.tracks.shape[1]
    assert tuple(signal.tracks.shape) == (frames, points, 2)
    assert signal.tracks.dtype == torch.float32
    assert tuple(signal.visible.shape) == (frames, points)
    assert signal.visible.dtype == torch.bool
    assert bool(torch.isfinite(signal.tracks[signal.visible]).all())


def alike(one: MotionSignal, other: MotionSignal) -> bool:
    """Whether two signals say the same, to the bit."""
    pairs = ((one.maps, other.maps), (one.tracks, other.tracks), (one.visible, other.visible))
    return all(
        a is b if a is None or b is None else torch.equal(a.nan_to_num(), b.nan_to_num())
        for a, b in pairs
    )


class ConditionContract(Contract):
    """Promises of a condition. Define :meth:`make`; widen :meth:`motions` to what you support."""

    def make(self) -> Condition:
        """The condition under test."""
        raise NotImplementedError("A ConditionContract needs make().")

    def motions(self) -> Sequence[Motion]:
        """Motions that the condition can express, on a canvas of 96x64."""
        return [
            Motion(canvas=(96, 64), drags=[Drag([(40, 30), (60, 36)])]),
            Motion(
                canvas=(96, 64),
                drags=[Drag([(40, 30), (50, 20), (60, 36)]), Drag([(10, 10)])],
                regions=[Region(polygon=[(24, 16), (64, 16), (64, 48), (24, 48)])],
            ),
        ]

    def signals(self, frames: int = 6) -> list[MotionSignal]:
        """The signal of each Motion, with a textured photo and a flat wall as depth."""
        scene = Scene(frames=frames, image=textured(64, 96), depth=flat_depth)
        return [self.make().from_motion(motion, scene) for motion in self.motions()]

    def test_it_is_a_condition(self) -> None:
        """It has the protocol's members."""
        assert isinstance(self.make(), Condition)

    @pytest.mark.parametrize("frames", [2, 5, 16])
    def test_maps_have_the_promised_form(self, frames: int) -> None:
        """Float32 maps (T, C, H, W) on the canvas, one per channel name."""
        for signal in self.signals(frames):
            assert signal.channels == self.make().channels
            if signal.maps is not None:
                assert signal.maps.shape == (frames, len(signal.channels), 64, 96)
                assert signal.maps.dtype == torch.float32
            assert signal.maps is not None or signal.tracks is not None
            if signal.tracks is not None:
                check_tracks(signal, frames)

    def test_the_photo_itself_does_not_move(self) -> None:
        """Displacements are relative to frame 0, which is the photo."""
        for signal in self.signals():
            for name in {"dx", "dy"} & set(signal.channels):
                assert not signal.channel(name)[0].any()

    def test_a_motion_always_gives_the_same_signal(self) -> None:
        """from_motion has no randomness."""
        for first, second in zip(self.signals(), self.signals(), strict=True):
            assert alike(first, second)

    def test_an_observation_gives_the_same_form(self) -> None:
        """Both faces agree on channels, shape and type."""
        signal = self.make().from_observation(moving_square(), torch.Generator().manual_seed(0))
        [drawn, *_] = self.signals()
        assert signal.channels == self.make().channels
        assert (signal.maps is None, signal.tracks is None) == (
            drawn.maps is None,
            drawn.tracks is None,
        )
        if signal.maps is not None:
            assert signal.maps.shape == (6, len(signal.channels), 64, 96)
            assert signal.maps.dtype == torch.float32
        if signal.tracks is not None:
            check_tracks(signal, 6)

    def test_all_randomness_comes_from_the_generator(self) -> None:
        """The same generator state gives the same signal; the global state is left alone."""
        before = torch.random.get_rng_state()
        made = [
            self.make().from_observation(moving_square(), torch.Generator().manual_seed(3))
            for _ in range(2)
        ]
        assert torch.equal(before, torch.random.get_rng_state())
        assert alike(*made)

    def test_an_observation_is_not_changed(self) -> None:
        """The caller's tensors stay as they are."""
        seen = moving_square()
        kept = copy.deepcopy((seen.displacement, seen.visible))
        self.make().from_observation(seen, torch.Generator().manual_seed(0))
        assert torch.equal(seen.displacement, kept[0])
        assert torch.equal(seen.visible, kept[1])

    def test_a_camera_path_is_expressed_or_refused(self) -> None:
        """A Motion with a camera is never silently turned into one without."""
        motion = Motion(canvas=(96, 64), camera=CameraPath.parse("truck:0.2"))
        scene = Scene(frames=4, image=textured(64, 96), depth=flat_depth)
        try:
            signal = self.make().from_motion(motion, scene)
        except InputError:
            return
        moved = [] if signal.maps is None else [signal.maps]
        if signal.tracks is not None:
            moved.append(signal.tracks - signal.tracks[:1])
        assert any(bool(part.any()) for part in moved)


class ControllerContract(Contract):
    """Promises of a controller. Define :meth:`make`, :meth:`signal` and :meth:`backbone`."""

    #: Whether a fresh controller must leave the video as it is (zero initialisation). One without
    #: parameters says False.
    neutral_at_start = True

    def make(self) -> Controller:
        """The controller under test, freshly initialised."""
        raise NotImplementedError("A ControllerContract needs make().")

    def backbone(self) -> Backbone:
        """A small backbone with the sites that the controller needs; sizes of 96x64 must work."""
        from kinema.testing.toys import ToyBackbone

        return ToyBackbone()

    def signal(self) -> MotionSignal:
        """A signal of 5 frames of 96x64 with the channels that the controller asks for."""
        maps = torch.zeros(5, 3, 64, 96)
        maps[:, 0, 20:44, 30:60] = torch.arange(5.0)[:, None, None] * 4
        maps[:, 2] = maps[:, 0] != 0
        return MotionSignal(maps=maps, channels=("dx", "dy", "mask"))

    def test_it_is_a_controller(self) -> None:
        """It has the protocol's members."""
        assert isinstance(self.make(), Controller)

    @torch.no_grad()
    def test_it_acts_only_where_the_backbone_has_sites(self) -> None:
        """Actions are callables, keyed by names of sites."""
        backbone = self.backbone()
        actions = self.make().actions(self.signal(), backbone.sites, scenes())
        assert actions
        assert set(actions) <= {site.name for site in backbone.sites}
        assert all(callable(action) for action in actions.values())

    @torch.no_grad()
    def test_an_action_keeps_the_form_of_its_site(self) -> None:
        """Shape and dtype of what it acts on stay."""
        backbone = self.backbone()
        for name, action in self.make().actions(self.signal(), backbone.sites, scenes()).items():
            site = next(site for site in backbone.sites if site.name == name)
            h = torch.randn(_site_shape(site), generator=torch.Generator().manual_seed(0))
            acted = action(h)
            assert acted.shape == h.shape
            assert acted.dtype == h.dtype

    def test_missing_sites_are_named(self) -> None:
        """A backbone without the needed sites is refused with InputError."""
        with pytest.raises(InputError):
            self.make().actions(self.signal(), [], scenes())

    def test_a_fresh_controller_changes_nothing(self) -> None:
        """Training starts from the backbone as it is, at whichever site the controller acts."""
        if not self.neutral_at_start:
            return
        assert torch.equal(*self.with_and_without())

    def test_a_controller_that_is_not_neutral_changes_the_video(self) -> None:
        """One that says it acts from the start (``neutral_at_start = False``) does."""
        if self.neutral_at_start:
            return
        assert not torch.equal(*self.with_and_without())

    @torch.no_grad()
    def with_and_without(self) -> tuple[Tensor, Tensor]:
        """Latents of a run without the controller, and with it."""
        from kinema.testing.runs import run

        backbone, controller, signal = self.backbone(), self.make(), self.signal()
        request = request_of(signal)
        plain = run(backbone, request, {})
        detach = backbone.attach(controller)
        try:
            actions = controller.actions(signal, backbone.sites, scenes(request.frames))
            return plain, run(backbone, request, actions)
        finally:
            detach()


def _site_shape(site: Site) -> tuple[int, ...]:
    h, w = -(-64 // site.stride), -(-96 // site.stride)
    return (5, site.channels, h, w) if site.kind == "feature" else (1, 5, site.channels, h, w)


def request_of(signal: MotionSignal) -> Request:
    """What a backbone is asked to embed for a signal on a textured photo of 96x64."""
    told = signal.maps if signal.maps is not None else signal.tracks
    assert told is not None
    return Request(
        image=textured(64, 96)[None],
        size=(96, 64),
        frames=told.shape[-4 if told is signal.maps else -3],
        fps=8.0,
        terms={"conditional": {}, "unconditional": {}},
        signal=signal,
        streams=[Streams(0)],
    )


@torch.no_grad()
def denoise_once(
    backbone: Backbone, controller: Controller | None, signal: MotionSignal, sigma: float = 1.5
) -> Tensor:
    """One network call on a textured photo of 96x64, ``(G, B, T, C, h, w)``; detached after."""
    frames = request_of(signal).frames
    actions = (
        {} if controller is None else controller.actions(signal, backbone.sites, scenes(frames))
    )
    terms: dict[Term, Actions] = {"conditional": actions, "unconditional": actions}
    request = attrs.evolve(request_of(signal), terms=terms)
    detach = backbone.attach(controller) if controller is not None else (lambda: None)
    try:
        embeddings = list(backbone.embed(request).values())
        shape = backbone.latent_shape((96, 64), frames)
        latents = torch.randn((1, *shape), generator=torch.Generator().manual_seed(1)) * sigma
        level = Level.exploding(torch.tensor(sigma))
        return backbone.denoise(latents.to(backbone.device), level, embeddings)
    finally:
        detach()


class DepthEstimatorContract(Contract):
    """Promises of a depth estimator."""

    def make(self) -> DepthEstimator:
        """The depth estimator under test."""
        raise NotImplementedError("A DepthEstimatorContract needs make().")

    @pytest.mark.parametrize("size", [(96, 64), (50, 70)])
    def test_depth_is_positive_and_as_large_as_the_photo(self, size: tuple[int, int]) -> None:
        """Float32 (H, W), finite and above zero, with a named source."""
        found = self.make().estimate(textured(size[1], size[0]), lambda array: array)
        assert found.depth.shape == (size[1], size[0])
        assert found.depth.dtype == torch.float32
        assert bool(torch.isfinite(found.depth).all())
        assert bool((found.depth > 0).all())
        assert found.source


class TrackerContract(Contract):
    """Promises of a tracker."""

    def make(self) -> Tracker:
        """The tracker under test."""
        raise NotImplementedError("A TrackerContract needs make().")

    def clip(self) -> Tensor:
        """Four frames of a texture that slides right by 2 px a frame, uint8 (4, 64, 96, 3)."""
        wide = textured(64, 104)
        frames = [wide[:, :, 8 - 2 * t : 104 - 2 * t] for t in range(4)]
        return (torch.stack(frames).permute(0, 2, 3, 1) * 255).round().to(torch.uint8)

    def test_it_observes_the_motion(self) -> None:
        """The median displacement of the inner pixels is right within a pixel."""
        seen = self.make().observe(self.clip())
        inner = seen.displacement[3, 16:48, 16:72].reshape(-1, 2).median(dim=0).values
        assert torch.allclose(inner, torch.tensor([6.0, 0.0]), atol=1.0)

    def test_it_follows_points(self) -> None:
        """Point queries start where they were asked and agree with the motion."""
        points = torch.tensor([[40.0, 30.0], [50.0, 20.0]])
        tracks, visible = self.make().track(self.clip(), points)
        assert tracks.shape == (4, 2, 2)
        assert visible.shape == (4, 2)
        assert torch.allclose(tracks[0], points, atol=0.01)
        assert torch.allclose(tracks[3], points + torch.tensor([6.0, 0.0]), atol=1.0)


class MetricContract(Contract):
    """Promises of a metric."""

    def make(self) -> Metric:
        """The metric under test."""
        raise NotImplementedError("A MetricContract needs make().")

    def test_it_gives_named_finite_numbers(self) -> None:
        """On a textured still video with one drag."""
        frame = (textured(64, 96).permute(1, 2, 0) * 255).to(torch.uint8)
        motion = Motion(canvas=(96, 64), drags=[Drag([(40, 30), (60, 36)])])
        scores = self.make().measure(frame.expand(6, -1, -1, -1), motion)
        assert scores
        assert all(math.isfinite(value) for value in scores.values()), scores


class ImporterContract(Contract):
    """Promises of an importer."""

    def make(self) -> Importer:
        """The importer under test."""
        raise NotImplementedError("An ImporterContract needs make().")

    def test_a_foreign_file_is_refused_and_nothing_is_written(self, tmp_path: Path) -> None:
        """Bytes that are no checkpoint give a KinemaError and no output folder."""
        source = tmp_path / "not-a-checkpoint.pt"
        source.write_bytes(b"this is not a checkpoint")
        with pytest.raises(KinemaError):
            self.make().convert(source, tmp_path / "out")
        assert not (tmp_path / "out").exists()
