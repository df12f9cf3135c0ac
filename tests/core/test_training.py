"""The training loop: what it learns, what is random about it, what it refuses."""

from __future__ import annotations

import math
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file
from torch import Tensor, nn

from kinema.clips.clip import write_shard
from kinema.clips.dataset import ClipBatch, collate, loader
from kinema.errors import Cancelled, InputError, KinemaError
from kinema.hooks import hookimpl
from kinema.interfaces import Request
from kinema.plugins import Plugins
from kinema.session.session import Session
from kinema.testing.toy_training import (
    ToyTrainable,
    ToyTrainableConfig,
    ToyTrained,
    toy_clips,
    toy_training_plugin,
)
from kinema.training.config import TrainConfig, parse_config, read_config
from kinema.training.draws import draw
from kinema.training.loop import train
from kinema.training.objective import Objective
from kinema.training.toml import to_toml

REFERENCE = Path(__file__).parents[1] / "reference"

Recipe = Callable[..., TrainConfig]


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("clips")
    write_shard(folder / "a.parquet", toy_clips(6), {"backbone": "toy-trainable"})
    return folder


@pytest.fixture
def recipe(clips: Path, tmp_path: Path, kinema_plugins: Plugins) -> Recipe:
    """A recipe of the toys; tables are given as mappings."""
    kinema_plugins.register(toy_training_plugin, "toys")

    def make(**options: Any) -> TrainConfig:
        return parse_config(
            {
                "data": str(clips),
                "out": str(tmp_path / "run"),
                "backbone": "toy-trainable",
                "controller": "toy-trained",
                "steps": 4,
                "batch": 2,
                "optimizer": {"learning_rate": 1e-2},
                **options,
            }
        )

    return make


def losses_of(config: TrainConfig, **options: Any) -> list[float]:
    found: list[float] = []
    train(config, on_step=lambda step, steps, values: found.append(values["loss"]), **options)
    return found


# -- the loss ------------------------------------------------------------------------------------


class Published(ToyTrainable):
    """A backbone whose prediction is the one that the published code made."""

    def __init__(self, denoised: Tensor) -> None:
        super().__init__()
        self.prediction = denoised
        self.asked: list[Request] = []
        self.noisy = torch.empty(0)

    def embed(self, request: Request) -> Any:
        self.asked.append(request)
        return {"conditional": None}

    def denoise(self, latents: Tensor, sigma: Tensor, embeddings: Sequence[Any]) -> Tensor:
        self.noisy = latents
        return self.prediction[None]


def test_the_loss_is_the_published_one(recipe: Recipe) -> None:
    numbers = load_file(REFERENCE / "tiny.tensors.safetensors")
    clean, noise = numbers["in.clean_latents"], numbers["in.noise"]
    expected = numbers["out.loss_per_frame"].mean()
    backbone = Published(numbers["out.denoised_sigma3.1"].reshape(1, *clean.shape))
    batch = attrs.evolve(collate(toy_clips(1)), latents=clean.reshape(1, *clean.shape))
    draws = draw(recipe(), 0, [0], clean.shape)
    fixed = attrs.evolve(draws, sigma=torch.tensor([3.1]), noise=noise.reshape(1, *clean.shape))
    loss = Objective(backbone, nn.Module(), None)(batch, fixed)
    assert loss.shape == (1,)
    assert torch.allclose(loss[0], expected, rtol=1e-4)
    assert torch.equal(backbone.noisy[0], clean + 3.1 * noise)


def test_the_backbone_is_told_what_was_drawn(recipe: Recipe) -> None:
    batch = collate(toy_clips(3))
    draws = draw(recipe(drop={"image_latent": 1.0}), 5, [0, 1, 2], batch.latents.shape[1:])
    backbone = Published(batch.latents)
    Objective(backbone, nn.Module(), None)(batch, draws)
    Objective(backbone, nn.Module(), None, motion_bucket=17)(batch, draws)
    measured, fixed = backbone.asked
    assert torch.equal(measured.cached["colour"], batch.encodings["colour"])
    assert measured.noise_aug is draws.noise_aug
    assert measured.dropped["image-latent"].all()
    assert measured.fps == 8.0
    assert measured.motion_bucket is not None
    assert fixed.motion_bucket is not None
    assert torch.equal(measured.motion_bucket, batch.motion_length)
    assert fixed.motion_bucket.tolist() == [17.0] * 3
    assert measured.generator == draws.photos


def test_clips_of_different_rates_are_refused(recipe: Recipe) -> None:
    batch = attrs.evolve(collate(toy_clips(2)), fps=torch.tensor([8.0, 7.0]))
    draws = draw(recipe(), 0, [0, 1], batch.latents.shape[1:])
    with pytest.raises(InputError, match=r"toy-0, toy-1 have different frame rates, \[7.0, 8.0\]"):
        Objective(Published(batch.latents), nn.Module(), None)(batch, draws)


# -- randomness ----------------------------------------------------------------------------------


def test_draws_depend_on_the_place_alone(recipe: Recipe) -> None:
    whole = draw(recipe(), 3, range(4), (2, 3, 4, 5))
    half = draw(recipe(), 3, range(2, 4), (2, 3, 4, 5))
    for name in ("sigma", "noise", "noise_aug", "still"):
        assert torch.equal(getattr(whole, name)[2:], getattr(half, name))
    assert whole.photos[2].get_state().equal(half.photos[0].get_state())
    other = draw(recipe(seed=1), 3, range(4), (2, 3, 4, 5))
    later = draw(recipe(), 4, range(4), (2, 3, 4, 5))
    for elsewhere in (other, later):
        assert not torch.equal(whole.noise, elsewhere.noise)
        assert not torch.equal(whole.sigma, elsewhere.sigma)


def test_draws_are_distributed_as_published(recipe: Recipe) -> None:
    drawn = draw(recipe(), 0, range(4000), (1,))
    assert abs(float(drawn.sigma.log().mean()) - 0.7) < 0.1
    assert abs(float(drawn.sigma.log().std()) - 1.6) < 0.1
    assert abs(float(drawn.noise_aug.log().mean()) + 3.0) < 0.05
    assert abs(float(drawn.noise_aug.log().std()) - 0.5) < 0.03
    embedding, latent = drawn.dropped["image-embedding"], drawn.dropped["image-latent"]
    assert abs(float(embedding.float().mean()) - 0.1) < 0.02
    assert abs(float(latent.float().mean()) - 0.1) < 0.02
    assert abs(float((embedding & latent).float().mean()) - 0.01) < 0.006
    assert not drawn.still.any()


def test_halves_of_a_batch_have_the_loss_of_the_whole(recipe: Recipe, clips: Path) -> None:
    from kinema.clips.dataset import ClipDataset
    from kinema.testing.toy_training import ToyNoisyShift

    backbone, controller = ToyTrainable(), ToyTrained()
    backbone.attach(controller)
    objective = Objective(backbone, backbone.network, controller, [ToyNoisyShift()])

    def loss(rank: int, world: int) -> Tensor:
        batch: ClipBatch = next(
            loader(ClipDataset(clips), batch=4, seed=0, first=7, rank=rank, world=world)
        )
        share = 4 // world
        places = range(rank * share, (rank + 1) * share)
        found: Tensor = objective(batch, draw(recipe(), 7, places, batch.latents.shape[1:]))
        return found

    whole = loss(0, 1)
    assert torch.allclose(torch.cat([loss(0, 2), loss(1, 2)]), whole, rtol=1e-6)
    assert len(set(whole.tolist())) == 4


# -- training ------------------------------------------------------------------------------------


def test_it_learns(recipe: Recipe) -> None:
    config = recipe(
        controller="",
        adaptation={"method": "full"},
        steps=10,
        batch=6,
        # The toy is not told the noise level, so there is only one to learn.
        noise={"sigma_mean": -1.0, "sigma_std": 0.1},
        optimizer={"learning_rate": 3e-2},
        checkpoints={"every": 1000},
    )
    batch = collate(toy_clips(6))
    draws = draw(attrs.evolve(config, seed=9), 0, range(6), batch.latents.shape[1:])

    def measured(weights: str) -> float:
        backbone = ToyTrainable(ToyTrainableConfig(weights=weights))
        with torch.no_grad():
            return float(Objective(backbone, backbone.network, None)(batch, draws).mean())

    assert measured(str(train(config) / "weights")) < 0.5 * measured("")


def test_accumulation_is_a_larger_batch(recipe: Recipe, tmp_path: Path) -> None:
    whole = recipe(batch=4, out=str(tmp_path / "whole"))
    parts = recipe(batch=2, accumulation=2, out=str(tmp_path / "parts"))
    assert losses_of(whole) == pytest.approx(losses_of(parts), rel=1e-6)


def test_its_controller_opens_in_a_session(recipe: Recipe) -> None:
    folder = train(recipe())
    with Session("toy-trainable", controller=folder / "controller", device="cpu") as session:
        assert isinstance(session.controller, ToyTrained)
        state = load_file(folder / "weights.safetensors")
        assert torch.equal(session.controller.bias.weight, state["controlling.bias.weight"])


def test_a_backbone_trains_alone(recipe: Recipe) -> None:
    config = recipe(controller="", adaptation={"method": "full"})
    folder = train(config)
    assert not (folder / "controller").exists()
    backbone = ToyTrainable()
    saved = load_file(folder / "weights" / "toy.safetensors")
    assert saved.keys() == backbone.network.state_dict().keys()
    assert not torch.equal(saved["head.weight"], backbone.network.head.weight)


def test_a_controller_trains_with_the_whole_backbone(recipe: Recipe) -> None:
    folder = train(recipe(adaptation={"method": "full"}))
    assert (folder / "controller" / "controller.safetensors").is_file()
    assert (folder / "weights" / "toy.safetensors").is_file()


def test_a_controller_trains_on_a_frozen_backbone(recipe: Recipe) -> None:
    folder = train(recipe(adaptation={"method": "none"}))
    assert list(load_file(folder / "weights.safetensors")) == ["controlling.bias.weight"]


def test_the_average_is_what_the_controller_gets(recipe: Recipe) -> None:
    folder = train(recipe(ema=0.5))
    weights = load_file(folder / "weights.safetensors")["controlling.bias.weight"]
    average = load_file(folder / "ema.safetensors")["controlling.bias.weight"]
    saved = load_file(folder / "controller" / "controller.safetensors")["bias.weight"]
    assert torch.equal(saved, average)
    assert not torch.equal(saved, weights)


def test_the_learning_rate_warms_up_and_falls() -> None:
    optimizer = parse_config(
        {
            "data": "d",
            "out": "o",
            "optimizer": {"learning_rate": 1.0, "warmup": 4, "schedule": "cosine"},
        }
    ).optimizer
    assert [optimizer.rate(step, 12) for step in range(4)] == [0.25, 0.5, 0.75, 1.0]
    assert optimizer.rate(8, 12) == pytest.approx(0.5)
    assert optimizer.rate(12, 12) == pytest.approx(0.0, abs=1e-12)
    # A training that is cut short keeps the schedule of the whole one.
    longer = attrs.evolve(optimizer, horizon=12)
    assert [longer.rate(step, 8) for step in range(8)] == [
        optimizer.rate(step, 12) for step in range(8)
    ]


# -- events --------------------------------------------------------------------------------------


class Diary:
    def __init__(self) -> None:
        self.pages: list[tuple[Any, ...]] = []

    @hookimpl
    def kinema_training_started(self, training: Any) -> None:
        self.pages.append(("started", training.name, training.clips, training.trainable))

    @hookimpl
    def kinema_training_step_finished(
        self, step: int, steps: int, values: Mapping[str, float]
    ) -> None:
        assert {"loss", "learning_rate", "gradient_norm", "clips_per_second"} <= values.keys()
        self.pages.append(("step", step, steps))

    @hookimpl
    def kinema_training_checkpoint_saved(self, step: int, folder: Path) -> None:
        assert (folder / "state.json").is_file()
        self.pages.append(("saved", step, folder.name))

    @hookimpl
    def kinema_training_failed(self, step: int, error: BaseException) -> None:
        self.pages.append(("failed", step, type(error).__name__))

    @hookimpl
    def kinema_training_finished(self, step: int) -> None:
        self.pages.append(("finished", step))


def test_observers_see_a_training(recipe: Recipe, kinema_plugins: Plugins) -> None:
    diary = Diary()
    kinema_plugins.register(diary, "diary")
    train(recipe(steps=2, checkpoints={"every": 1}, events=["diary"]))
    assert diary.pages == [
        ("started", "run", 6, 16 + 48),
        ("step", 1, 2),
        ("saved", 1, "step-000001"),
        ("step", 2, 2),
        ("saved", 2, "step-000002"),
        ("finished", 2),
    ]


def test_a_plugin_may_observe_trainings_whose_recipe_names_none(
    recipe: Recipe, kinema_plugins: Plugins, tmp_path: Path
) -> None:
    class Always(Diary):
        observes_trainings = True

    always, asked = Always(), Diary()
    kinema_plugins.register(always, "always")
    kinema_plugins.register(asked, "asked")
    train(recipe(steps=1))
    assert (len(always.pages), len(asked.pages)) == (4, 0)
    train(recipe(steps=1, out=str(tmp_path / "again"), events=["asked"]))
    assert (len(always.pages), len(asked.pages)) == (4, 4)
    train(recipe(steps=1, out=str(tmp_path / "once more"), events=[]))
    assert (len(always.pages), len(asked.pages)) == (4, 4)


def test_a_cancelled_training_keeps_its_checkpoint(
    recipe: Recipe, kinema_plugins: Plugins, tmp_path: Path
) -> None:
    diary = Diary()
    kinema_plugins.register(diary, "diary")
    asked = iter([False, True])
    with pytest.raises(Cancelled, match=r"interrupted \(cancel\(\)\) after step 2 of 4; its"):
        train(recipe(events=["diary"]), cancel=lambda: next(asked))
    assert (tmp_path / "run" / "step-000002").is_dir()
    assert diary.pages[-2:] == [("saved", 2, "step-000002"), ("failed", 2, "Cancelled")]


# -- what goes wrong -----------------------------------------------------------------------------


def test_a_loss_that_is_no_number_changes_nothing(
    recipe: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = iter(range(100))
    healthy = ToyTrainable.denoise

    def denoise(self: ToyTrainable, *inputs: Any) -> Tensor:
        result = healthy(self, *inputs)
        return result * math.nan if next(calls) == 1 else result

    monkeypatch.setattr(ToyTrainable, "denoise", denoise)
    seen: list[Mapping[str, float]] = []
    train(
        recipe(steps=3, checkpoints={"every": 1}),
        on_step=lambda step, steps, values: seen.append(values),
    )
    assert [values["skipped"] for values in seen] == [0.0, 1.0, 0.0]
    one, two, three = (
        load_file(tmp_path / "run" / f"step-00000{step}" / "weights.safetensors")
        for step in (1, 2, 3)
    )
    assert all(torch.equal(one[name], two[name]) for name in one)
    assert not torch.equal(two["network.lora.weight"], three["network.lora.weight"])


def test_many_losses_that_are_no_number_end_it(
    recipe: Recipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = iter(range(100))
    healthy = ToyTrainable.denoise

    def denoise(self: ToyTrainable, *inputs: Any) -> Tensor:
        result = healthy(self, *inputs)
        return result * math.nan if next(calls) >= 2 else result

    monkeypatch.setattr(ToyTrainable, "denoise", denoise)
    with pytest.raises(KinemaError, match=r"last 3 steps up to step 5 .*run/step-000004'\. Lower"):
        train(recipe(steps=20, bad_steps=3, checkpoints={"every": 2}))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"controller": "", "adaptation": {"method": "none"}}, "There is nothing to train"),
        ({"controller": ""}, "LoRA is kept in a controller's folder"),
        ({"steps": 0, "batch": 0}, r"out of range: steps = 0, batch = 0"),
        ({"optimizer": {"clip": -1}}, r"optimizer are out of range: clip = -1"),
        ({"drop": {"motion": 2}}, r"Shares are out of range: motion = 2"),
        ({"nois": {}}, r"has no option 'nois'. Did you mean 'noise'\?"),
        ({"noise": {"sigma": 1}}, r"table \[noise\], has no option 'sigma'"),
        ({"precision": "bf8"}, "precision"),
        ({"steps": "many"}, "steps"),
    ],
)
def test_bad_recipes_are_named(recipe: Recipe, options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        recipe(**options)


def test_a_backbone_that_cannot_be_trained_is_named(
    recipe: Recipe, kinema_plugins: Plugins, tmp_path: Path
) -> None:
    from kinema.testing import toy_plugin

    kinema_plugins.register(toy_plugin, "plain-toys")
    write_shard(tmp_path / "b.parquet", toy_clips(1), {"backbone": "toy"})
    with pytest.raises(InputError, match="The backbone 'toy' cannot be trained: it has no enc"):
        train(recipe(backbone="toy", data=str(tmp_path)))


def test_clips_for_another_backbone_are_refused(recipe: Recipe, tmp_path: Path) -> None:
    write_shard(tmp_path / "b.parquet", toy_clips(1), {"backbone": "svd"})
    with pytest.raises(InputError, match="prepared for the backbone 'svd', but 'toy-trainable'"):
        train(recipe(data=str(tmp_path)))


def test_a_folder_without_clips_is_named(recipe: Recipe, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="holds no"):
        train(recipe(data=str(tmp_path / "empty")))


# -- recipes -------------------------------------------------------------------------------------

PLAIN = st.recursive(
    st.booleans()
    | st.integers(-(2**62), 2**62)
    | st.floats(allow_nan=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), PLAIN, max_size=4))
def test_toml_comes_back(data: dict[str, Any]) -> None:
    assert tomllib.loads(to_toml(data)) == data


def test_a_resolved_recipe_reads_back(recipe: Recipe, tmp_path: Path) -> None:
    config = recipe(motion_bucket=17, validation={"sample": {"steps": 3}})
    (tmp_path / "recipe.toml").write_text(config.to_toml())
    assert read_config(tmp_path / "recipe.toml") == config


def test_a_recipe_that_is_no_toml_is_named(tmp_path: Path) -> None:
    (tmp_path / "bad.toml").write_text("steps = ")
    with pytest.raises(InputError, match=r"bad.toml' is no TOML: Invalid value"):
        read_config(tmp_path / "bad.toml")
