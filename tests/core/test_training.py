"""The training loop: what it learns, what is random about it, what it refuses."""

from __future__ import annotations

import hashlib
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
from kinema.interfaces import Backbone, Request
from kinema.levels import Level
from kinema.noise import draw_sigma
from kinema.offers import BACKBONE, CONDITION, CONTROLLER, ConditionOffer, Kind
from kinema.plugins import Plugins
from kinema.session.parts import Part
from kinema.session.session import Session
from kinema.session.steering import Steering
from kinema.testing.toy_training import (
    ToyNoisyShift,
    ToyTrainable,
    ToyTrainableConfig,
    ToyTrained,
    ToyTrainingConfig,
    toy_clips,
    toy_training_plugin,
)
from kinema.training.config import TrainConfig, parse_config, read_config
from kinema.training.draws import Draws, draw
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

    def denoise(self, latents: Tensor, level: Level, embeddings: Sequence[Any]) -> Tensor:
        self.noisy = latents
        return self.prediction[None]


Steer = Callable[..., Steering]


@pytest.fixture
def steer(kinema_plugins: Plugins) -> Steer:
    """What steers a backbone, of parts that are built already."""

    def part(kind: Kind[Any, Any], name: str, built: Any) -> Part[Any]:
        return Part(kinema_plugins.find(kind, name), built)

    def make(
        backbone: Backbone, controller: Any = None, conditions: Sequence[Any] = ()
    ) -> Steering:
        return Steering(
            backbone=part(BACKBONE, "toy-trainable", backbone),
            controller=controller and part(CONTROLLER, "toy-trained", controller),
            control=[part(CONDITION, "toy-noisy-shift", each) for each in conditions],
        )

    return make


def drawn_of(
    config: TrainConfig,
    step: int,
    indices: Sequence[int],
    shape: Sequence[int],
    options: ToyTrainingConfig | None = None,
    at: float | None = None,
) -> Draws:
    """The draws of clips whose motion is 1, 2, ... pixels long."""
    lengths = torch.arange(1.0, len(indices) + 1)
    toy = ToyTrainable()
    return draw(config, toy, options or ToyTrainingConfig(), step, indices, shape, lengths, at)


def test_the_loss_is_the_published_one(recipe: Recipe, steer: Steer) -> None:
    numbers = load_file(REFERENCE / "tiny.tensors.safetensors")
    clean, noise = numbers["in.clean_latents"], numbers["in.noise"]
    expected = numbers["out.loss_per_frame"].mean()
    backbone = Published(numbers["out.denoised_sigma3.1"].reshape(1, *clean.shape))
    batch = attrs.evolve(collate(toy_clips(1)), latents=clean.reshape(1, *clean.shape))
    draws = drawn_of(recipe(), 0, [0], clean.shape, at=3.1)
    fixed = attrs.evolve(draws, noise=noise.reshape(1, *clean.shape))
    loss = Objective(steer(backbone), nn.Module())(batch, fixed)
    assert loss.shape == (1,)
    assert torch.allclose(loss[0], expected, rtol=1e-4)
    assert torch.equal(backbone.noisy[0], clean + torch.tensor(3.1) * noise)


def test_frames_that_are_given_clean_do_not_count(recipe: Recipe, steer: Steer) -> None:
    batch = collate(toy_clips(1))
    wrong = batch.latents + torch.tensor([5.0, 1.0, 1.0]).view(1, -1, 1, 1, 1)
    draws = drawn_of(recipe(), 0, [0], batch.latents.shape[1:])
    backbone = Published(wrong)
    weight = draws.drawn.weight
    whole = Objective(steer(backbone), nn.Module())(batch, draws)
    torch.testing.assert_close(whole, 9.0 * weight)
    backbone.given_frames = 1  # type: ignore[attr-defined]
    rest = Objective(steer(backbone), nn.Module())(batch, draws)
    torch.testing.assert_close(rest, weight)


def test_the_backbone_is_told_what_was_drawn(recipe: Recipe, steer: Steer) -> None:
    batch = attrs.evolve(collate(toy_clips(3)), captions=("a", "", "c"))
    options = ToyTrainingConfig(drop_image_latent=1.0)
    draws = drawn_of(recipe(), 5, [0, 1, 2], batch.latents.shape[1:], options)
    backbone = Published(batch.latents)
    Objective(steer(backbone), nn.Module())(batch, draws)
    [told] = backbone.asked
    assert torch.equal(told.cached["colour"], batch.encodings["colour"])
    assert torch.equal(told.drawn["noise_aug"], draws.drawn.told["noise_aug"])
    assert told.drawn["motion"].tolist() == [1.0, 2.0, 3.0]
    assert told.dropped["image-latent"].all()
    assert told.fps == 8.0
    assert told.prompts == ("a", "", "c")
    assert told.streams == draws.streams


def test_clips_without_captions_bring_no_prompts(recipe: Recipe, steer: Steer) -> None:
    batch = collate(toy_clips(1))
    backbone = Published(batch.latents)
    draws = drawn_of(recipe(), 0, [0], batch.latents.shape[1:])
    Objective(steer(backbone), nn.Module())(batch, draws)
    assert backbone.asked[0].prompts == ()


def test_clips_of_different_rates_are_refused(recipe: Recipe, steer: Steer) -> None:
    batch = attrs.evolve(collate(toy_clips(2)), fps=torch.tensor([8.0, 7.0]))
    draws = drawn_of(recipe(), 0, [0, 1], batch.latents.shape[1:])
    with pytest.raises(InputError, match=r"toy-0, toy-1 have different frame rates, \[7.0, 8.0\]"):
        Objective(steer(Published(batch.latents)), nn.Module())(batch, draws)


# -- randomness ----------------------------------------------------------------------------------


def everything_in(draws: Draws) -> dict[str, Tensor]:
    drawn = draws.drawn
    return {
        "noise": draws.noise,
        "still": draws.still,
        "sigma": drawn.level.sigma,
        "weight": drawn.weight,
        **drawn.dropped,
        "noise_aug": drawn.told["noise_aug"],
    }


def test_draws_depend_on_the_place_alone(recipe: Recipe) -> None:
    config = recipe(drop_motion=0.5)
    whole = drawn_of(config, 3, range(4), (2, 3, 4, 5))
    half = drawn_of(config, 3, range(2, 4), (2, 3, 4, 5))
    for name, value in everything_in(whole).items():
        assert torch.equal(value[2:], everything_in(half)[name]), name
    assert whole.streams[2:] == half.streams
    other = drawn_of(recipe(seed=1), 3, range(4), (2, 3, 4, 5))
    later = drawn_of(config, 4, range(4), (2, 3, 4, 5))
    for elsewhere in (other, later):
        assert not torch.equal(whole.noise, elsewhere.noise)
        assert not torch.equal(whole.drawn.level.sigma, elsewhere.drawn.level.sigma)


def first_generator(seed: int, step: int, index: int, purpose: str) -> torch.Generator:
    """As trainings drew from the first version on."""
    digest = hashlib.blake2b(f"{seed} {step} {index} {purpose}".encode(), digest_size=8).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest, "big") >> 1)


def test_draws_are_those_of_the_first_version(recipe: Recipe) -> None:
    drawn = drawn_of(recipe(seed=5, drop_motion=0.5), 7, range(40), (2, 3, 4, 5))

    def each(purpose: str) -> list[torch.Generator]:
        return [first_generator(5, 7, index, purpose) for index in range(40)]

    noise = [torch.randn(2, 3, 4, 5, generator=one) for one in each("noise")]
    assert torch.equal(drawn.noise, torch.stack(noise))
    sigma = [draw_sigma(1, one, 0.7, 1.6) for one in each("sigma")]
    assert torch.equal(drawn.drawn.level.sigma, torch.cat(sigma))
    chance = [torch.rand(1, generator=one) for one in each("drop motion")]
    assert torch.equal(drawn.still, torch.cat(chance) < 0.5)
    for purpose in ("conditions", "photo"):
        states = [one.of(purpose).get_state() for one in drawn.streams]
        assert all(map(torch.equal, states, [one.get_state() for one in each(purpose)]))


def test_draws_are_distributed_as_asked(recipe: Recipe) -> None:
    drawn = drawn_of(recipe(drop_motion=0.2), 0, range(4000), (1,))
    sigma, photo = drawn.drawn.level.sigma.log(), drawn.drawn.told["noise_aug"].log()
    assert abs(float(sigma.mean()) - 0.7) < 0.1
    assert abs(float(sigma.std()) - 1.6) < 0.1
    assert abs(float(photo.mean()) + 3.0) < 0.05
    assert abs(float(photo.std()) - 0.5) < 0.03
    still, latent = drawn.still, drawn.drawn.dropped["image-latent"]
    assert abs(float(still.float().mean()) - 0.2) < 0.02
    assert abs(float(latent.float().mean()) - 0.1) < 0.02
    assert abs(float((still & latent).float().mean()) - 0.02) < 0.008
    assert not drawn_of(recipe(), 0, range(400), (1,)).still.any()


def test_a_validation_tells_everything_at_its_level(recipe: Recipe) -> None:
    everything_dropped = ToyTrainingConfig(drop_image_latent=1.0)
    drawn = drawn_of(recipe(drop_motion=1.0), 0, range(9), (1,), everything_dropped, at=0.2)
    assert not drawn.still.any()
    assert not drawn.drawn.dropped["image-latent"].any()
    ratio = drawn.drawn.level.sigma / drawn.drawn.level.alpha
    assert torch.equal(ratio, torch.full((9,), 0.2))


def test_halves_of_a_batch_have_the_loss_of_the_whole(
    recipe: Recipe, steer: Steer, clips: Path
) -> None:
    from kinema.clips.dataset import ClipDataset

    backbone, controller = ToyTrainable(), ToyTrained()
    backbone.attach(controller)
    objective = Objective(steer(backbone, controller, [ToyNoisyShift()]), backbone.network)

    def loss(rank: int, world: int) -> Tensor:
        batch: ClipBatch = next(
            loader(ClipDataset(clips), batch=4, seed=0, first=7, rank=rank, world=world)
        )
        share = 4 // world
        places = range(rank * share, (rank + 1) * share)
        shape = batch.latents.shape[1:]
        toy, options, lengths = ToyTrainable(), ToyTrainingConfig(), batch.motion_length
        found: Tensor = objective(batch, draw(recipe(), toy, options, 7, places, shape, lengths))
        return found

    whole = loss(0, 1)
    assert torch.allclose(torch.cat([loss(0, 2), loss(1, 2)]), whole, rtol=1e-6)
    assert len(set(whole.tolist())) == 4


# -- training ------------------------------------------------------------------------------------


def test_it_learns(recipe: Recipe, steer: Steer) -> None:
    # The toy is not told the noise level, so there is only one to learn.
    one_level = {"sigma_mean": -1.0, "sigma_std": 0.1}
    config = recipe(
        controller="",
        adaptation={"method": "full"},
        steps=10,
        batch=6,
        objective=one_level,
        optimizer={"learning_rate": 3e-2},
        checkpoints={"every": 1000},
    )
    batch = collate(toy_clips(6))
    options = ToyTrainingConfig(**one_level)
    shape = batch.latents.shape[1:]
    draws = drawn_of(attrs.evolve(config, seed=9), 0, range(6), shape, options)

    def measured(weights: str) -> float:
        backbone = ToyTrainable(ToyTrainableConfig(weights=weights))
        with torch.no_grad():
            return float(Objective(steer(backbone), backbone.network)(batch, draws).mean())

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
            "backbone": "b",
            "controller": "c",
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
        ("started", "run", 6, 16 + 72),
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
        ({"drop_motion": 2}, r"training are out of range: drop_motion = 2"),
        ({"objectiv": {}}, r"has no option 'objectiv'. Did you mean 'objective'\?"),
        ({"checkpoints": {"ever": 1}}, r"table \[checkpoints\], has no option 'ever'"),
        (
            {"conditions": {"toy-shift": {"k": 8}}},
            r"has the table \[conditions\]. conditions is a l",
        ),
        ({"validation": {"sigmas": {"a": 1}}}, r"takes a list for sigmas, got a table: {'a': 1}"),
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


def test_clips_of_another_form_of_latents_are_refused(recipe: Recipe, tmp_path: Path) -> None:
    # Such as clips of a model that folds time: T' is not T.
    folded = [attrs.evolve(clip, latents=clip.latents[:2]) for clip in toy_clips(2)]
    write_shard(tmp_path / "b.parquet", folded, {"backbone": "toy-trainable"})
    with pytest.raises(
        InputError,
        match=r"^The clips' latents are \(2, 3, 2, 4\), but the backbone 'toy-trainable' makes "
        r"\(3, 3, 2, 4\) of 32x16; prepare them for it\.$",
    ):
        train(recipe(data=str(tmp_path)))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"objective": {"drop_image_latnt": 1.0}},
            r"^The table \[objective\] of the recipe has no option 'drop_image_latnt'\. Did you",
        ),
        (
            {"condition_options": {"toy-shift": {}}},
            r"^Unknown condition 'toy-shift'\.",
        ),
        (
            {"condition_options": {"toy-other": {}}},
            r"^The recipe has options of the condition 'toy-other', but nothing reads it\. The "
            r"conditions in use: toy-noisy-shift\.$",
        ),
        (
            {"controller": "./toy-trained"},
            r"^controller must be the name of a controller, got the path '\./toy-trained'\.$",
        ),
    ],
)
def test_what_nothing_reads_is_refused_before_any_training(
    recipe: Recipe, kinema_plugins: Plugins, options: dict[str, Any], message: str
) -> None:
    kinema_plugins.register(OtherCondition(), "other")
    with pytest.raises(InputError, match=message):
        train(recipe(**options))


class OtherCondition:
    @hookimpl
    def kinema_conditions(self) -> Iterator[ConditionOffer]:
        yield ConditionOffer(name="toy-other", summary="Other.", factory=lambda _: ToyNoisyShift())


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
    config = recipe(
        conditions=["toy-noisy-shift"],
        condition_options={"toy-noisy-shift": {}},
        objective={"drop_image_latent": 0.5},
        drop_motion=0.25,
        validation={"sample": {"steps": 3}},
    )
    (tmp_path / "recipe.toml").write_text(config.to_toml())
    assert read_config(tmp_path / "recipe.toml") == config


def test_a_recipe_that_is_no_toml_is_named(tmp_path: Path) -> None:
    (tmp_path / "bad.toml").write_text("steps = ")
    with pytest.raises(InputError, match=r"bad.toml' is no TOML: Invalid value"):
        read_config(tmp_path / "bad.toml")
