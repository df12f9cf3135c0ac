"""Options of sampling and of training with Stable Video Diffusion, and what training draws."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest
import torch

from kinema.config import SampleConfig, from_mapping
from kinema.errors import InputError
from kinema.noise import Streams, draw_sigma
from kinema_backbones.svd.conditioning import MOTION_BUCKET, NOISE_AUG
from kinema_backbones.svd.config import SvdSample, SvdTraining
from kinema_backbones.svd.training import draw
from kinema_backbones.tiny.config import TinySample

# -- sampling -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"steps": 0}, r"^steps must be at least 1 and at most 10000, got 0\.$"),
        (
            {"sigma_min": 800},
            r"^The schedule needs 0 < sigma_min < sigma_max and rho > 0; got 800\.0, 700\.0, 7\.0",
        ),
        ({"rho": 0}, r"^The schedule needs .* got 0\.002, 700\.0, 0\.0\.$"),
        ({"rho": float("nan")}, r"^Sampling options must be finite numbers: rho\.$"),
        (
            {"guidance_start": 0.8, "guidance_stop": 0.2},
            r"^The guidance interval needs 0 <= start <= stop <= 1; got 0\.8 and 0\.2\.$",
        ),
        ({"guidance_stop": 1.5}, r"^The guidance interval needs .* got 0\.0 and 1\.5\.$"),
        ({"sampler": "heun"}, r"^The config of sampling has no option 'sampler'\."),
    ],
)
@pytest.mark.parametrize("kind", [SvdSample, TinySample])
def test_bad_sampling_options_are_named(
    kind: type[SvdSample], options: dict[str, Any], message: str
) -> None:
    if kind is TinySample:
        message = message.replace(r"0\.002", r"20\.0").replace(r"700\.0", r"120\.0")
    with pytest.raises(InputError, match=message):
        from_mapping(kind, options, "The config of sampling")


def test_a_plain_config_leaves_a_models_own_options_at_their_defaults() -> None:
    plain = SampleConfig(steps=7, solver="heun", motion_guidance=2.0)
    assert SvdSample.of(plain) == SvdSample(steps=7, solver="heun", motion_guidance=2.0)
    assert TinySample.of(plain).sigma_max == 120.0
    tiny = TinySample(guidance_max=3.0)
    assert TinySample.of(tiny) is tiny


# -- training -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"sigma_std": -1.0}, r"^Options of the objective are out of range: sigma_std = -1\.0\.$"),
        ({"drop_image_latent": 1.5}, r"out of range: drop_image_latent = 1\.5\.$"),
        ({"photo_mean": float("inf")}, r"out of range: photo_mean = inf\.$"),
        ({"motion_bucket": -1}, r"out of range: motion_bucket = -1\.0\.$"),
        ({"drop_motion": 0.1}, r"^The table \[objective\] has no option 'drop_motion'\."),
    ],
)
def test_bad_training_options_are_named(options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        from_mapping(SvdTraining, options, "The table [objective]")


def streams(count: int, seed: int = 5, step: int = 7) -> list[Streams]:
    return [Streams(f"{seed} {step} {index}") for index in range(count)]


def first_generators(count: int, purpose: str) -> list[torch.Generator]:
    """As trainings drew from the first version on, at seed 5 and step 7."""
    keys = [f"5 7 {index} {purpose}".encode() for index in range(count)]
    digests = [hashlib.blake2b(key, digest_size=8).digest() for key in keys]
    return [torch.Generator().manual_seed(int.from_bytes(one, "big") >> 1) for one in digests]


def test_draws_are_those_of_the_first_version() -> None:
    config = SvdTraining(sigma_mean=2.5, sigma_std=1.2, photo_mean=-2.0, photo_std=0.25)
    lengths = torch.arange(40.0)
    drawn = draw(config, streams(40), lengths, None)
    sigma = [draw_sigma(1, one, 2.5, 1.2) for one in first_generators(40, "sigma")]
    assert torch.equal(drawn.level.sigma, torch.cat(sigma))
    assert torch.equal(drawn.level.alpha, torch.ones(40))
    assert torch.equal(drawn.weight, (drawn.level.sigma**2 + 1) / drawn.level.sigma**2)
    photo = [draw_sigma(1, one, -2.0, 0.25) for one in first_generators(40, "noise_aug")]
    assert torch.equal(drawn.told[NOISE_AUG], torch.cat(photo))
    for name in ("image-embedding", "image-latent"):
        chance = [torch.rand(1, generator=one) for one in first_generators(40, f"drop {name}")]
        assert torch.equal(drawn.dropped[name], torch.cat(chance) < 0.1)


def test_draws_are_distributed_as_published() -> None:
    drawn = draw(SvdTraining(), streams(4000), torch.zeros(4000), None)
    sigma, photo = drawn.level.sigma.log(), drawn.told[NOISE_AUG].log()
    assert abs(float(sigma.mean()) - 0.7) < 0.1
    assert abs(float(sigma.std()) - 1.6) < 0.1
    assert abs(float(photo.mean()) + 3.0) < 0.05
    assert abs(float(photo.std()) - 0.5) < 0.03
    embedding, latent = drawn.dropped["image-embedding"], drawn.dropped["image-latent"]
    assert abs(float(embedding.float().mean()) - 0.1) < 0.02
    assert abs(float(latent.float().mean()) - 0.1) < 0.02
    assert abs(float((embedding & latent).float().mean()) - 0.01) < 0.006


def test_the_motion_bucket_is_measured_or_fixed() -> None:
    lengths = torch.tensor([1.0, 2.0, 5.0])
    measured = draw(SvdTraining(), streams(3), lengths, None)
    fixed = draw(SvdTraining(motion_bucket=17), streams(3), lengths, None)
    assert measured.told[MOTION_BUCKET].tolist() == [1.0, 2.0, 5.0]
    assert fixed.told[MOTION_BUCKET].tolist() == [17.0] * 3


def test_a_validation_drops_nothing_and_has_its_level() -> None:
    everything = SvdTraining(drop_image_embedding=1.0, drop_image_latent=1.0)
    drawn = draw(everything, streams(5), torch.zeros(5), 0.2)
    assert not any(bool(each.any()) for each in drawn.dropped.values())
    assert torch.equal(drawn.level.sigma, torch.full((5,), 0.2))
    # The noise on the photo stays that of the clip's place.
    trained = draw(everything, streams(5), torch.zeros(5), None)
    assert torch.equal(drawn.told[NOISE_AUG], trained.told[NOISE_AUG])
