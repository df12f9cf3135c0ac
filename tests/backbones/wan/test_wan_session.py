"""The backbone wan in sessions: three families from folders of diffusers, steered and recorded."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

import kinema
from kinema import Drag, InputError, Motion, Session
from kinema.errors import FormError
from kinema.interfaces import Backbone
from kinema.session.replay import rerun
from kinema.testing import BackboneContract
from kinema.testing.scenes import textured
from kinema_backbones.wan.backbone import WanBackbone

FAMILIES = ("wan21", "a14b", "ti2v")
MOTION = Motion(canvas=(96, 64), drags=[Drag([(20, 30), (60, 40)])])
SAMPLE = {"steps": 3}

Open = Callable[..., Session]


def photo() -> NDArray[np.uint8]:
    pixels: NDArray[np.uint8] = (textured(64, 96).permute(1, 2, 0) * 255).byte().numpy()
    return pixels


@pytest.fixture
def opened(wan_folders: dict[str, Path]) -> Iterator[Open]:
    """``opened(family, **options)``."""
    sessions: list[Session] = []

    def make(family: str, **options: Any) -> Session:
        given = {"weights": wan_folders[family], "device": "cpu", "sample": SAMPLE, **options}
        sessions.append(Session("wan", **given))
        return sessions[-1]

    yield make
    for session in sessions:
        session.close()


def frames(session: Session, **given: Any) -> NDArray[np.uint8]:
    return session.animate(photo(), MOTION, **{"frames": 9, "size": (96, 64), **given}).frames


def embedded(session: Session) -> list[str]:
    """The texts that the encoder will be asked for from now on."""
    backbone: Any = session.backbone
    asked: list[str] = []
    embed = backbone.texts._embed

    def spy(texts: list[str]) -> None:
        asked.extend(texts)
        embed(texts)

    backbone.texts._embed = spy
    return asked


class TestWan(BackboneContract):
    family = "wan21"

    @pytest.fixture(autouse=True)
    def folders(self, wan_folders: dict[str, Path]) -> None:
        self.weights = wan_folders[self.family]

    def make(self) -> Backbone:
        from kinema_backbones.wan.config import WanConfig

        return WanBackbone.load(WanConfig(weights=str(self.weights)))


class TestWanTI2V(TestWan):
    family = "ti2v"


@pytest.mark.parametrize("family", FAMILIES)
def test_a_family_is_loaded_from_a_folder_and_recorded(opened: Open, family: str) -> None:
    video = opened(family).animate(photo(), MOTION, size=(96, 64), frames=9, prompt="a red boat")
    assert video.frames.shape == (9, 64, 96, 3)
    manifest = video.manifest
    assert manifest is not None
    assert manifest.sample["shift"] == {"wan21": 3.0, "a14b": 5.0, "ti2v": 5.0}[family]
    assert manifest.sample["guidance"] == {"wan21": 5.0, "a14b": 3.5, "ti2v": 5.0}[family]
    assert manifest.choices["memory"] == "default"
    [solver] = manifest.offers["solver"]
    assert solver["name"] == "unipc"
    assert any(path.endswith("transformer/diffusion_pytorch_model.safetensors")
               for path in manifest.files)  # fmt: skip


def test_a_guidance_that_a_job_names_means_both_experts(opened: Open) -> None:
    session = opened("a14b")
    form: dict[str, Any] = {"size": (96, 64), "frames": 5}
    scales = []
    for sample in (None, {"guidance": 1.0}, {"guidance": 2.0, "guidance_low": 4.0}):
        manifest = session.animate(photo(), MOTION, sample=sample, **form).manifest
        assert manifest is not None
        scales.append((manifest.sample["guidance"], manifest.sample["guidance_low"]))
    assert scales == [(3.5, 3.5), (1.0, 1.0), (2.0, 4.0)]
    named = opened("a14b", sample={**SAMPLE, "guidance_low": 3.0})
    manifest = named.animate(photo(), MOTION, sample={"guidance": 1.0}, **form).manifest
    assert manifest is not None
    assert manifest.sample["guidance_low"] == 3.0


@pytest.mark.parametrize(("family", "form"), [("wan21", ((832, 480), 81, 16.0)),
                                              ("ti2v", ((1280, 704), 121, 24.0))])  # fmt: skip
def test_the_native_form_is_the_familys(opened: Open, family: str, form: Any) -> None:
    session = opened(family)
    made = session.form(Motion(canvas=(1280, 720)), session.native_size(Motion(canvas=form[0])))
    assert (made.size, made.frames, made.fps) == form


def test_a_form_that_is_not_4n_plus_1_is_refused_with_the_nearest(opened: Open) -> None:
    with pytest.raises(FormError, match=r"frames=17\.$"):
        opened("wan21").animate(photo(), MOTION, frames=18)


def test_texts_and_a_last_image_change_the_video(opened: Open) -> None:
    session = opened("wan21")
    made = [
        frames(session, **given)
        for given in ({}, {"prompt": "a red boat"}, {"negative_prompt": "night"},
                      {"last_image": photo()[:, ::-1]})
    ]  # fmt: skip
    for other in made[1:]:
        assert not np.array_equal(made[0], other)


def test_ti2v_refuses_a_last_image(opened: Open) -> None:
    with pytest.raises(InputError, match=r"^Wan2\.2-TI2V reads no last image; leave it out\.$"):
        frames(opened("ti2v"), last_image=photo())


@pytest.mark.parametrize("place", ["resident", "offload", "cpu", "released"])
def test_a_text_is_embedded_once_per_session(opened: Open, place: str) -> None:
    session = opened("a14b", options={"text_encoder": place})
    backbone: Any = session.backbone
    loads: list[None] = []
    load = backbone.texts._load

    def counted() -> Any:
        loads.append(None)
        return load()

    backbone.texts._load = counted
    first = frames(session, prompt="a  boat")
    assert backbone.texts.loaded == (place != "released")
    assert np.array_equal(first, frames(session, prompt="a boat"))
    assert len(loads) == 1
    frames(session, prompt="the sea")
    assert len(loads) == (2 if place == "released" else 1)


def test_the_stock_negative_prompt_stands_in_by_name(opened: Open) -> None:
    from kinema_backbones.wan.families import NEGATIVES
    from kinema_backbones.wan.text import cleaned

    session = opened("wan21", options={"negative": "wan2.2"})
    asked = embedded(session)
    frames(session, prompt="a boat")
    frames(session, prompt="a boat", negative_prompt="night")
    assert asked == ["a boat", cleaned(NEGATIVES["wan2.2"]), "night"]
    assert "，" not in asked[1]


def test_few_steps_without_guidance_cost_one_forward_each(opened: Open) -> None:
    session = opened("a14b", sample={"steps": 4, "guidance": 1.0})
    backbone: Any = session.backbone
    calls = []
    for name, network in backbone.networks.items():
        network.transformer.register_forward_pre_hook(lambda *_, name=name: calls.append(name))
    asked = embedded(session)
    frames(session, prompt="a boat")
    assert calls == ["transformer"] * 2 + ["transformer_2"] * 2
    assert asked == ["a boat"]


# -- control --------------------------------------------------------------------------------------


@pytest.mark.all_packages
@pytest.mark.parametrize("controller", ["latent-copy", "latent-splat", "time-to-move"])
def test_control_without_training_changes_the_video(opened: Open, controller: str) -> None:
    plain = frames(opened("wan21"))
    assert not np.array_equal(plain, frames(opened("wan21", controller=controller)))


@pytest.mark.all_packages
@pytest.mark.parametrize("controller", ["latent-copy", "latent-splat", "time-to-move"])
def test_no_controller_trusts_a_hidden_point(opened: Open, controller: str) -> None:
    seen = np.array([[t < 5, t not in (3, 4), False, True] for t in range(9)])
    starts = np.array([(20.0, 30), (60, 40), (50, 50), (80, 20)])
    moved = starts + np.arange(9)[:, None, None] * np.array([1.5, 0.75])
    session, made = opened("wan21", controller=controller), []
    for hidden in (0.0, -1e4, float("nan")):
        points = np.where(seen[..., None], moved, hidden).tolist()
        motion = Motion(canvas=(96, 64), tracks=kinema.Tracks(points=points, visible=seen.tolist()))
        made.append(session.animate(photo(), motion, frames=9, size=(96, 64)).frames)
    assert np.array_equal(made[0], made[1])
    assert np.array_equal(made[0], made[2])


@pytest.mark.all_packages
def test_only_the_prompts_half_is_edited_if_so_asked(opened: Open) -> None:
    session = opened("wan21", controller="latent-copy", controller_options={"halves": "prompt"})
    backbone: Any = session.backbone
    seen: list[Any] = []
    embed = backbone.embed

    def spy(request: Any) -> Any:
        seen.append(embed(request))
        return seen[-1]

    backbone.embed = spy
    frames(session)
    [told] = seen
    conditional, unconditional = (told[t].condition for t in ("conditional", "unconditional"))
    # The drag starts in the cell (2, 3) and ends in (7, 5).
    assert torch.equal(conditional[0, 4:, -1, 5, 7], conditional[0, 4:, 0, 3, 2])
    assert not torch.equal(unconditional[0, 4:, -1, 5, 7], unconditional[0, 4:, 0, 3, 2])


@pytest.mark.all_packages
def test_latent_control_needs_a_latent_of_every_frame(opened: Open) -> None:
    session = opened("ti2v", controller="latent-copy")
    with pytest.raises(InputError, match=r"does not have\. The backbones wan"):
        frames(session)


@pytest.mark.all_packages
@pytest.mark.parametrize("family", ["wan21", "a14b", "ti2v"])
@pytest.mark.parametrize("controller", ["modulation", "concat", "add"])
def test_fresh_controllers_of_features_change_nothing_and_trained_ones_do(
    opened: Open, family: str, controller: str
) -> None:
    plain = frames(opened(family))
    session = opened(family, controller=controller)
    names = [site.name for site in session.backbone.sites if site.kind == "feature"]
    assert names == ["patches", "block-0", "block-1"]
    assert np.array_equal(plain, frames(session))
    trained: Any = session.controller
    with torch.no_grad():
        for parameter in trained.parameters():
            parameter += 0.2
    assert not np.array_equal(plain, frames(session))


@pytest.mark.all_packages
def test_controllers_compose_in_a_recorded_order(opened: Open, tmp_path: Path) -> None:
    session = opened("wan21", controller=["latent-splat", "time-to-move"],
                     controller_options={"time-to-move": {"clocks": "step", "weak": 0,
                                                          "strong": 1}})  # fmt: skip
    source = tmp_path / "photo.png"
    from PIL import Image

    Image.fromarray(photo()).save(source)
    video = session.animate(source, MOTION, size=(96, 64), frames=9)
    alone = [frames(opened("wan21", controller=name)) for name in ("latent-splat", "time-to-move")]
    assert all(not np.array_equal(video.frames, other) for other in alone)
    manifest = video.manifest
    assert manifest is not None
    assert [each["name"] for each in manifest.offers["controller"]] == [
        "latent-splat",
        "time-to-move",
    ]
    assert [each["name"] for each in manifest.offers["control condition 2"]] == ["layered-motion"]
    again = rerun(manifest)
    assert np.array_equal(again.frames, video.frames)


@pytest.mark.all_packages
def test_two_controllers_at_one_site_are_refused(opened: Open) -> None:
    session = opened("wan21", controller=["latent-splat", "latent-copy"])
    with pytest.raises(
        InputError,
        match=r"'latent-splat' and 'latent-copy' both act at the site 'image-latent', and "
        r"'latent-splat' and 'latent-copy' cannot share it",
    ):
        frames(session)


@pytest.mark.all_packages
def test_a_reference_clip_from_elsewhere_is_followed(opened: Open, tmp_path: Path) -> None:
    clip = np.zeros((9, 64, 96, 3), np.uint8)
    clip[:, :, 48:] = 255
    white = np.full_like(clip, 255)
    for name, pixels in (("clip", clip), ("mask", white)):
        kinema.Video(pixels, 16.0).save(tmp_path / name)
    session = opened(
        "wan21",
        controller="time-to-move",
        controller_options={
            "reference": str(tmp_path / "clip"),
            "reference_mask": str(tmp_path / "mask"),
            "clocks": "step",
            "weak": 1,
            "strong": 2,
        },
    )
    video = session.animate(photo(), MOTION, size=(96, 64), frames=9)
    assert video.manifest is not None
    read = [path for path in video.manifest.files if path.startswith(str(tmp_path))]
    assert len(read) == 18
    short = {"reference": str(tmp_path / "clip"), "reference_mask": str(tmp_path / "mask")}
    longer = opened("wan21", controller="time-to-move", controller_options=short)
    with pytest.raises(InputError, match="has 9 frames, but the video has 13"):
        frames(longer, frames=13)


# -- memory ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("memory", ["offload", "minimal"])
@pytest.mark.parametrize("family", FAMILIES)
def test_memory_modes_give_the_same_frames(opened: Open, family: str, memory: str) -> None:
    video = opened(family, options={"memory": memory}).animate(
        photo(), MOTION, size=(96, 64), frames=9, prompt="a boat"
    )
    assert np.array_equal(video.frames, frames(opened(family), prompt="a boat"))
    assert video.manifest is not None
    assert video.manifest.choices["memory"] == memory


def test_float8_keeps_the_blocks_in_eight_bits_and_comes_close(opened: Open) -> None:
    session = opened("wan21", options={"storage": "float8"})
    backbone: Any = session.backbone
    network = backbone.components.transformer
    assert network.blocks[0].attn1.to_q.weight.dtype == torch.float8_e4m3fn
    assert network.patch_embedding.weight.dtype == torch.float32
    made = frames(session).astype(int)
    assert np.abs(made - frames(opened("wan21"))).mean() < 8.0


def test_tiles_of_the_vae_are_named(opened: Open) -> None:
    session = opened("wan21", options={"vae_tiling": True})
    backbone: Any = session.backbone
    assert backbone.components.vae.use_tiling
    video = session.animate(photo(), MOTION, size=(96, 64), frames=5)
    assert video.manifest is not None
    assert video.manifest.choices["vae_tiling"] is True


@pytest.mark.parametrize("cache", ["first-block", "pyramid"])
def test_caches_are_approximate_and_off_unless_asked_for(opened: Open, cache: str) -> None:
    plain = frames(opened("wan21", sample={"steps": 6})).astype(int)
    options = {"cache": cache, "cache_threshold": 0.2}
    session = opened("wan21", sample={"steps": 6}, options=options)
    made = frames(session)
    assert np.abs(made - plain).mean() < 64.0
    # Nothing of one video is left for the next.
    assert np.array_equal(made, frames(session))
