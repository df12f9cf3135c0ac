"""The backbone tiny: its patch code, its network and its weights."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import kinema
from kinema import Drag, Job, Motion, Session
from kinema.errors import FormError, InputError, WeightsError
from kinema.interfaces import Adaptation, Backbone, Request, Trainable, check_form
from kinema.levels import Level
from kinema.motion.observed import motion_of
from kinema.noise import Streams
from kinema.testing import BackboneContract
from kinema.testing.scenes import textured
from kinema_backbones.control.config import ControllerConfig
from kinema_backbones.control.controllers import ModulationController
from kinema_backbones.tiny.autoencoder import CHANNELS, PATCH, PatchAutoencoder
from kinema_backbones.tiny.backbone import (
    NORM_GROUPS,
    SHIPPED,
    WAVELENGTHS,
    TinyBackbone,
    positions,
)
from kinema_backbones.tiny.config import TinyConfig


def untrained(seed: int = 0) -> TinyBackbone:
    return TinyBackbone.of(TinyConfig(untrained=True, seed=seed, channels=(32, 32)))


class TestTiny(BackboneContract):
    size = (64, 48)
    frames = 3

    def make(self) -> Backbone:
        return untrained()


def smooth(height: int, width: int) -> torch.Tensor:
    y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    return torch.stack([torch.sin(x / 9.0), torch.cos(y / 11.0), torch.sin((x + y) / 17.0)])[None]


def test_the_code_keeps_smooth_pictures() -> None:
    images = smooth(64, 96)
    code = PatchAutoencoder()
    latents = code.encode(images).latent_dist.mode()
    assert latents.shape == (1, CHANNELS, 8, 12)
    back = code.decode(latents)[0]
    assert (back - images).square().mean() < 1e-3 * images.square().mean()


def test_the_patterns_are_orthonormal() -> None:
    flat = PatchAutoencoder().basis.flatten(1)
    assert torch.allclose(flat @ flat.T, torch.eye(CHANNELS), atol=1e-5)


def test_coding_twice_changes_nothing_more() -> None:
    code = PatchAutoencoder()
    once = code.decode(code.encode(torch.randn(2, 3, PATCH * 2, PATCH * 3)).latent_dist.mode())[0]
    twice = code.decode(code.encode(once).latent_dist.mode())[0]
    assert torch.allclose(once, twice, atol=1e-5)


def test_norms_see_more_than_two_channels_at_once() -> None:
    norms = [m for m in untrained().components.unet.modules() if isinstance(m, torch.nn.GroupNorm)]
    assert norms
    assert {norm.num_groups for norm in norms} == {NORM_GROUPS}


@torch.no_grad()
def test_the_network_predicts_the_change_from_the_photo() -> None:
    tiny = untrained()
    for parameter in tiny.components.unet.conv_out.parameters():
        parameter.zero_()  # a network that says: nothing changes
    request = Request(
        image=(smooth(64, 64) + 1) / 2,
        size=(64, 64),
        frames=4,
        fps=8.0,
        terms={"conditional": {}},
        streams=[Streams(0)],
    )
    embedding = tiny.embed(request)["conditional"]
    sigma = torch.tensor(500.0)
    noise = torch.randn(1, 4, CHANNELS, 8, 8, generator=torch.Generator().manual_seed(1))
    denoised = tiny.denoise(sigma * noise, Level.exploding(sigma), [embedding])[0]
    photo = embedding.image_latents[:, :, :CHANNELS].expand_as(denoised)
    assert torch.allclose(denoised, photo, atol=0.02)


def test_saved_weights_come_back_to_the_bit(tmp_path: Path) -> None:
    tiny = untrained(seed=3)
    tiny.save_weights(tmp_path)
    again = TinyBackbone.of(TinyConfig(weights=str(tmp_path)))
    for key, value in tiny.components.unet.state_dict().items():
        assert torch.equal(again.components.unet.state_dict()[key], value)


def test_weights_are_saved_under_plain_names_while_it_is_trained(tmp_path: Path) -> None:
    tiny = untrained()
    detach = tiny.attach(ModulationController(ControllerConfig()))
    tiny.adapt(Adaptation(method="full"))
    tiny.save_weights(tmp_path)
    detach()
    again = TinyBackbone.of(TinyConfig(weights=str(tmp_path)))
    assert set(again.components.unet.state_dict()) == set(tiny.components.unet.state_dict())


def test_it_can_be_trained() -> None:
    assert isinstance(untrained(), Trainable)


@pytest.mark.parametrize(
    ("size", "frames", "message"),
    [
        ((512, 320), 8, r"8 frames of 512x320 pixels. .* makes is size=\(64, 48\)\.$"),
        ((512, 320), 25, r"makes is size=\(64, 48\), frames=16\.$"),
        ((60, 64), 8, r"8 frames of 60x64 pixels. .* makes is size=\(64, 64\)\.$"),
        ((64, 64), 25, r"25 frames of 64x64 pixels. .* makes is frames=16\.$"),
    ],
)
def test_what_it_cannot_make_is_refused_with_what_it_can(
    size: tuple[int, int], frames: int, message: str
) -> None:
    tiny = untrained()
    with pytest.raises(FormError, match=f"The backbone 'tiny' cannot make .*{message}"):
        check_form(tiny, tiny.name, size, frames)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"untrained": True, "weights": "here"}, "cannot be untrained and read 'here'"),
        ({"channels": (48, 64)}, "multiples of 32"),
        ({"dtype": "float16"}, "float32 or bfloat16"),
    ],
)
def test_options_out_of_range(options: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        TinyConfig(**options)  # type: ignore[arg-type]


def test_absent_and_foreign_weights_are_named(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"holds tiny\.json and tiny\.safetensors"):
        TinyBackbone.of(TinyConfig(weights=str(tmp_path / "nowhere")))
    (tmp_path / "tiny.json").write_text('{"format": "other/1"}')
    with pytest.raises(WeightsError, match="KeyError"):
        TinyBackbone.of(TinyConfig(weights=str(tmp_path)))


def test_every_patch_knows_where_it_lies() -> None:
    places = positions(16, 16).flatten(1).T
    assert places.shape == (256, 4 * len(WAVELENGTHS))
    apart = torch.cdist(places, places) + torch.eye(256) * 9
    assert apart.min() > 0.1
    # A place does not depend on how large the picture is.
    assert torch.equal(positions(8, 16)[:, :, :8], positions(8, 8))


@pytest.mark.all_packages
def test_the_manifest_says_which_weights_made_a_video(tmp_path: Path) -> None:
    untrained().save_weights(tmp_path)
    photo = ((smooth(32, 32)[0] + 1) * 127).permute(1, 2, 0).byte().numpy()
    motion = kinema.Motion(canvas=(32, 32), duration=0.25)
    with kinema.Session("tiny", weights=tmp_path, sample={"steps": 1}) as session:
        video = session.animate(photo, motion, frames=2)
    assert video.manifest is not None
    digest = hashlib.sha256((tmp_path / "tiny.safetensors").read_bytes()).hexdigest()
    assert video.manifest.files[str(tmp_path / "tiny.safetensors")] == digest
    assert session.controller_name == ""  # the one that comes along belongs to other weights


# -- what comes along ------------------------------------------------------------------------------


def test_what_comes_along_is_small_and_says_how_it_was_made() -> None:
    files = [path for path in SHIPPED.rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) <= 25 * 2**20
    text = (SHIPPED / "README.md").read_text(encoding="utf-8")
    assert "kinema train" in text
    assert "seed" in text


@pytest.mark.slow
@pytest.mark.all_packages
def test_drags_are_followed() -> None:
    """Four unseen scenes; benchmarks/control_study.py measures many, with intervals."""
    from kinema.plugins import Plugins
    from kinema_conditions.synthetic import SyntheticConfig, generate

    config = SyntheticConfig(
        least_objects=1, most_objects=1, kinds=("sliding",), travel=0.25, camera_share=0.0,
        blur=0.03,
    )  # fmt: skip
    metric = Plugins.installed().build("metric", "trajectory-distance", {})
    steered = kinema.Session("tiny", device="cpu")
    free = kinema.Session("tiny", controller="", device="cpu")
    distances = []
    for index in range(4):
        clip = generate(41, index, (64, 64), 8, config)
        motion = motion_of(clip.observation, torch.Generator().manual_seed(0))
        photo = clip.frames[0].numpy()
        videos = [session.animate(photo, motion, frames=8).frames for session in (steered, free)]
        shown = [torch.from_numpy(frames.copy()) for frames in videos]
        shown.append(clip.frames[:1].expand(8, -1, -1, -1).contiguous())
        found = [metric.measure(frames, motion)["trajectory-distance"] for frames in shown]
        distances.append(found)
    with_control, without, still = torch.tensor(distances).mean(dim=0).tolist()
    assert with_control < 0.5 * without
    assert with_control < 0.5 * still


@pytest.mark.all_packages
def test_several_in_one_pass_differ_by_rounding_alone() -> None:
    motion = Motion(canvas=(64, 64), drags=[Drag([(20, 30), (40, 34)])])
    photo = (textured(64, 64).permute(1, 2, 0) * 255).byte().numpy()
    jobs = [Job(photo=photo, motion=motion, seed=seed, frames=4) for seed in range(3)]
    with Session("tiny", sample={"steps": 2}) as session:
        backbone: Any = session.backbone
        calls: list[int] = []
        denoise = backbone.denoise

        def counted(latents: torch.Tensor, *rest: Any) -> torch.Tensor:
            calls.append(len(latents))
            denoised: torch.Tensor = denoise(latents, *rest)
            return denoised

        backbone.denoise = counted
        alone = session.animate_all(jobs)
        assert calls == [1] * 6
        together = session.animate_all(jobs, exact=False)
        assert calls[6:] == [3] * 2
    for one, other in zip(alone, together, strict=True):
        assert np.abs(one.frames.astype(int) - other.frames.astype(int)).max() <= 1
