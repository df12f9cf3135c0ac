"""The three controllers: zero at first, trainable, saved and loaded, bound to sites only."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import attrs
import pytest
import torch

from kinema.errors import InputError, WeightsError
from kinema.interfaces import Backbone, Controller, Modulation, Site
from kinema.signals import MotionSignal
from kinema.testing import ControllerContract
from kinema_backbones.control.checkpoint import load_controller, save_controller
from kinema_backbones.control.config import ControllerConfig, SiteShape
from kinema_backbones.control.controllers import (
    CONTROLLERS,
    AddController,
    ConcatController,
    EncodedController,
    ModulationController,
)
from kinema_backbones.control.encoder import MotionEncoder, TemporalConv
from kinema_backbones.svd.backbone import SvdBackbone

SITES = tuple(
    Site(name=f"place.{i}", kind="feature", channels=32 * i, stride=8 * i, module="m")
    for i in (1, 2)
)
KINDS = list(CONTROLLERS.values())


class TestModulation(ControllerContract):
    def make(self) -> Controller:
        return ModulationController()


class TestConcat(ControllerContract):
    def make(self) -> Controller:
        return ConcatController()


class TestAdd(ControllerContract):
    def make(self) -> Controller:
        return AddController()


class TestModulationOnSvd(ControllerContract):
    @pytest.fixture(autouse=True)
    def _svd(self, make_svd: Callable[[], SvdBackbone]) -> None:
        self.svd = make_svd()

    def make(self) -> Controller:
        return ModulationController()

    def backbone(self) -> Backbone:
        return self.svd


def signal(frames: int = 3) -> MotionSignal:
    maps = torch.rand(frames, 3, 32, 48, generator=torch.Generator().manual_seed(0))
    return MotionSignal(maps=maps, channels=("dx", "dy", "mask"))


def filled(controller: EncodedController) -> EncodedController:
    """The controller with every parameter random, as training leaves it."""
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in controller.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.1)
    return controller


@pytest.mark.parametrize("kind", KINDS)
def test_gradients_reach_every_parameter(kind: type[EncodedController]) -> None:
    controller = kind()
    controller.prepare(SITES)
    filled(controller)
    actions = controller.actions(signal(), SITES)
    h = {s.name: torch.randn(3, s.channels, 32 // s.stride, 48 // s.stride) for s in SITES}
    sum(actions[name](h[name]).square().sum() for name in h).backward()  # type: ignore[union-attr]
    for name, parameter in controller.named_parameters():
        assert parameter.grad is not None, name
        assert bool(parameter.grad.abs().sum() > 0), name


@pytest.mark.parametrize("kind", KINDS)
@torch.no_grad()
def test_a_saved_controller_loads_as_it_was(kind: type[EncodedController], tmp_path: Path) -> None:
    controller = kind()
    controller.prepare(SITES)
    filled(controller)
    folder = save_controller(controller, tmp_path / "c", manifest={"from": "a test"}, licence="MIT")
    loaded = load_controller(folder)
    assert type(loaded) is kind
    for key, value in controller.state_dict().items():
        assert torch.equal(value, loaded.state_dict()[key])
    h = torch.randn(3, 32, 4, 6)
    acted = [c.actions(signal(), SITES)["place.1"](h) for c in (controller, loaded)]
    assert torch.equal(*acted)
    assert not torch.equal(acted[0], h)


def test_one_seed_gives_one_controller() -> None:
    made = [ModulationController(ControllerConfig(seed=seed)) for seed in (0, 0, 1)]
    before = torch.random.get_rng_state()
    for controller in made:
        controller.prepare(SITES)
    assert torch.equal(before, torch.random.get_rng_state())
    first, same, other = (c.encoder.stem[0].spatial.weight for c in made)  # type: ignore[union-attr]
    assert torch.equal(first, same)  # type: ignore[arg-type]
    assert not torch.equal(first, other)  # type: ignore[arg-type]


@torch.no_grad()
def test_the_norms_affine_part_is_folded() -> None:
    controller = ModulationController()
    controller.prepare(SITES)
    filled(controller)
    action = controller.actions(signal(), SITES)["place.1"]
    assert isinstance(action, Modulation)
    head = controller.heads["place_1"]
    feature = controller.encoder.by_stride(signal().dense()[None])[8]
    h = torch.randn(3, 32, 4, 6)
    normed = torch.nn.functional.group_norm(h, 32, head.norm_weight, head.norm_bias)  # type: ignore[arg-type]
    plain = h + normed * head.gamma(feature, 3) + head.beta(feature, 3)  # type: ignore[operator]
    assert torch.allclose(action(h), plain, atol=1e-6)


@torch.no_grad()
def test_a_temporal_convolution_continues_the_clip() -> None:
    convolution = TemporalConv(4, 6)
    x = torch.randn(2 * 5, 4, 3, 2)
    rows = x.view(2, 5, 4, 6).permute(0, 3, 2, 1).reshape(12, 4, 5)
    padded = torch.nn.functional.pad(rows, (1, 1), mode="replicate")
    plain = torch.nn.functional.conv1d(padded, convolution.weight, convolution.bias)
    plain = plain.view(2, 6, 6, 5).permute(0, 3, 2, 1).reshape(10, 6, 3, 2)
    assert torch.allclose(convolution.over(x, 5), plain, atol=1e-6)


@torch.no_grad()
def test_videos_of_a_batch_do_not_see_each_other() -> None:
    encoder = MotionEncoder(3, {8: 32, 16: 64})
    maps = torch.randn(2, 4, 3, 32, 48)
    together, alone = encoder(maps)[1], encoder(maps[1:])[1]
    assert torch.allclose(together[4:], alone, atol=1e-5)


@pytest.mark.parametrize(
    ("levels", "strides"), [({1: 8}, (1,)), ({4: 16, 16: 32}, (4, 16)), ({8: 8}, (8,))]
)
def test_encoders_of_any_strides(levels: dict[int, int], strides: tuple[int, ...]) -> None:
    features = MotionEncoder(2, levels)(torch.zeros(1, 2, 2, 32, 16))
    shapes = [tuple(feature.shape) for feature in features]
    assert shapes == [(2, levels[s], 32 // s, 16 // s) for s in strides]


def lone_drag(length: float) -> torch.Tensor:
    """Four frames of 64x64: one block of 8 pixels moves right by ``length`` in the end."""
    maps = torch.zeros(1, 4, 3, 64, 64)
    maps[:, :, 0, 24:32, 24:32] = length * torch.linspace(0, 1, 4)[:, None, None]
    maps[:, :, 2, 16:40, 16:40] = 1.0
    return maps


@torch.no_grad()
@pytest.mark.parametrize(("norms", "least", "most"), [(False, 1.5, 2.5), (True, 0.8, 1.3)])
def test_without_norms_the_encoder_tells_how_long_a_lone_drag_is(
    norms: bool, least: float, most: float
) -> None:
    torch.manual_seed(0)
    encoder = MotionEncoder(3, {8: 64}, norms)
    still, short, long = (encoder.by_stride(lone_drag(length))[8] for length in (0.0, 8.0, 16.0))
    assert least < (long - still).norm() / (short - still).norm() < most


@torch.no_grad()
def test_the_scale_is_of_displacements_alone() -> None:
    signal = MotionSignal(maps=lone_drag(8.0), channels=("dx", "dy", "mask"))
    halved = signal.maps.clone() if signal.maps is not None else torch.empty(0)
    halved[:, :, :2] /= 2
    torch.manual_seed(0)
    plain = ModulationController(ControllerConfig())
    plain.prepare(SITES)
    for parameter in plain.parameters():
        parameter.normal_(std=0.1)
    scaled = ModulationController(attrs.evolve(plain.config, scale=0.5))
    scaled.load_state_dict(plain.state_dict())
    expected = plain.actions(MotionSignal(maps=halved, channels=signal.channels), SITES)
    found = scaled.actions(signal, SITES)
    for name, action in expected.items():
        other = found[name]
        assert isinstance(action, Modulation)
        assert isinstance(other, Modulation)
        torch.testing.assert_close(other.scale, action.scale)


@torch.no_grad()
@pytest.mark.parametrize("kind", KINDS)
def test_waves_are_read_beside_the_displacement(
    kind: type[EncodedController], tmp_path: Path
) -> None:
    controller = kind(ControllerConfig(waves=(128.0, 32.0), scale=0.5))
    controller.prepare(SITES)
    read: list[torch.Tensor] = []
    controller.encoder.register_forward_pre_hook(lambda _, args: read.append(args[0]))
    controller.actions(MotionSignal(maps=lone_drag(8.0), channels=("dx", "dy", "mask")), SITES)
    still, moved = read[0][0, -1, :, 0, 0], read[0][0, -1, :, 28, 28]
    assert torch.equal(still, torch.zeros(11))
    expected = [4, 0, 1, math.sin(math.pi / 8), 0, 1 - math.cos(math.pi / 8), 0, 1, 0, 1, 0]
    torch.testing.assert_close(moved, torch.tensor(expected))
    saved = save_controller(controller, tmp_path / "c")
    again = load_controller(saved)
    assert isinstance(again, kind)
    assert again.config.waves == (128.0, 32.0)


def test_what_does_not_fit_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"powers of two, got \[6\]"):
        MotionEncoder(3, {6: 8})
    with pytest.raises(InputError, match="4 channels at stride 64 are too few to be halved 5"):
        MotionEncoder(3, {64: 4})
    with pytest.raises(InputError, match=r"must be positive, got 0\.0"):
        ControllerConfig(scale=0.0)
    with pytest.raises(InputError, match=r"lengths in pixels, above 0; got \(8\.0, 0\.0\)"):
        ControllerConfig(waves=(8.0, 0.0))
    for channels in (-1, 0, 2**14 + 1):
        with pytest.raises(InputError, match=rf"at the site 'x' have {channels} channels; a"):
            SiteShape(name="x", channels=channels, stride=8)
    with pytest.raises(InputError, match=r"at most 1024 signal channels, got 1025"):
        ControllerConfig(channels=1025)
    for name in ("", "items", "training"):
        with pytest.raises(InputError, match=f"act at a site called '{name}': torch needs a name"):
            ModulationController().prepare([attrs.evolve(SITES[0], name=name)])
    with pytest.raises(InputError, match=r"the sites 'place\.1' and 'place_1' apart"):
        ModulationController().prepare([SITES[0], attrs.evolve(SITES[0], name="place_1")])
    controller = ModulationController()
    with pytest.raises(InputError, match="has no weights yet"):
        save_controller(controller, tmp_path / "c")
    controller.prepare(SITES)
    with pytest.raises(InputError, match=r"'place.2', which is missing in this backbone"):
        controller.prepare(SITES[:1])
    with pytest.raises(InputError, match=r"64 channels at stride 16 .* which is 8 channels at"):
        controller.prepare([SITES[0], attrs.evolve(SITES[1], channels=8)])
    waves = ModulationController(ControllerConfig(channels=2, waves=(8.0,)))
    signal = MotionSignal(maps=torch.zeros(2, 2, 64, 64), channels=("mask", "depth"))
    with pytest.raises(InputError, match=r"reads waves of dx and dy, but .* are mask, depth"):
        waves.actions(signal, SITES)
    with pytest.raises(InputError, match="reads 3 channels, but the signal has 2: dx, dy"):
        controller.actions(
            MotionSignal(maps=torch.zeros(2, 2, 32, 32), channels=("dx", "dy")), SITES
        )
    with pytest.raises(InputError, match=r"30x32 pixels cannot be encoded.*multiples of 16"):
        controller.encoder(torch.zeros(1, 2, 3, 32, 30))


def test_a_damaged_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"is no controller folder: controller.json"):
        load_controller(tmp_path)
    controller = AddController()
    controller.prepare(SITES)
    folder = save_controller(controller, tmp_path / "c")
    (folder / "controller.safetensors").write_bytes(b"")
    with pytest.raises(WeightsError, match=r"controller.safetensors' cannot be read"):
        load_controller(folder)
