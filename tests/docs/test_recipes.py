"""Every recipe is complete, and everything it names exists."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest

from kinema.config import from_mapping
from kinema.offers import BackboneOffer
from kinema.plugins import Plugins
from kinema.training.config import TrainConfig, read_config

RECIPES = Path(__file__).parents[2] / "examples" / "recipes"
TRAININGS = sorted(path for path in RECIPES.rglob("*.toml") if not path.stem.startswith("prepare"))

pytestmark = pytest.mark.all_packages


@pytest.fixture(scope="module")
def plugins() -> Plugins:
    return Plugins.installed()


def test_the_named_recipes_are_there() -> None:
    sizes = [f"ablation-region-{k}" for k in (1, 2, 4, 8, 16)]
    ways = ["ablation-concat", "ablation-add", "ablation-random-trajectory", "ablation-no-mask"]
    named = {"motionpro", "motionpro-published", "gaussian", *sizes, *ways}
    named |= {"wan22-5b-modulation", "wan21-14b-splat-lora", "wan21-14b-copy-lora"}
    assert named <= {path.stem for path in TRAININGS}
    assert sum(path.stem.startswith("ablation-r-min-") for path in TRAININGS) >= 3
    readme = (RECIPES / "README.md").read_text(encoding="utf-8")
    assert all(f"`{name}`" in readme for name in ("motionpro", "motionpro-published", *ways))


@pytest.mark.parametrize("path", TRAININGS, ids=lambda path: path.stem)
def test_a_recipe_is_valid_and_names_what_exists(path: Path, plugins: Plugins) -> None:
    config = read_config(path)
    plugins.configure("backbone", config.backbone, config.backbone_options)
    plugins.configure("controller", config.controller, config.controller_options)
    from_mapping(_offer(config, plugins).training, config.objective, "The table [objective]")
    assert set(config.condition_options) <= set(config.conditions)
    channels = 0
    for name in config.conditions:
        plugins.configure("condition", name, config.condition_options.get(name, {}))
        channels += {"motion-mask": 1, "point-tracks": 0}.get(name, 2)
    # What the controllers read unless told otherwise: dx, dy and the mask; or tracks alone.
    assert channels == (0 if config.controller.startswith("latent-") else 3)


def test_recipes_differ_in_what_they_are_about() -> None:
    paper, published, gaussian = (
        _read(name) for name in ("motionpro", "motionpro-published", "gaussian")
    )
    assert (paper.adaptation.targets, published.adaptation.targets) == ("attention", "all-linear")
    assert paper.adaptation.rank == published.adaptation.rank == 32
    assert paper.batch * paper.accumulation == 48
    assert paper.optimizer.learning_rate == 1e-5
    assert published.condition_options["motion-mask"]["published"] is True
    assert "gaussian-trajectory" in gaussian.conditions
    for k in (1, 2, 4, 8, 16):
        options = _read(f"ablation-region-{k}").condition_options
        assert [options[name]["k"] for name in _read(f"ablation-region-{k}").conditions] == [k, k]
    assert _read("ablation-no-mask").condition_options["motion-mask"]["all_ones"] is True
    assert (_read("ablation-concat").controller, _read("ablation-add").controller) == (
        "concat", "add",
    )  # fmt: skip
    runs = [_read(path.stem).out for path in TRAININGS if path.parent == RECIPES]
    assert len(set(runs)) == len(runs)


def test_ablations_change_one_thing() -> None:
    paper = _plain("motionpro")
    for path in TRAININGS:
        if path.stem.startswith("ablation-"):
            changed = {key for key, value in _plain(path.stem).items() if value != paper[key]}
            assert changed - {"out"} <= {"controller", "condition_options"}, path.stem
            assert len(changed - {"out"}) <= 1


SVD_TRAININGS = [path for path in TRAININGS if not path.stem.startswith("wan")]


def test_recipes_of_wan_are_as_published_where_they_say_so() -> None:
    splat, copy, modulation = (
        _read(name)
        for name in ("wan21-14b-splat-lora", "wan21-14b-copy-lora", "wan22-5b-modulation")
    )
    tracks = splat.condition_options["point-tracks"]
    assert (tracks["points"], tracks["tail_dropout"]) == (20, 0.2)
    assert splat.controller_options["temperature"] == 220.0
    tracks = copy.condition_options["point-tracks"]
    assert (tracks["points"], tracks["no_points"]) == (200, 0.05)
    for each in (splat, copy, modulation):
        assert each.adaptation.method == "lora"
        assert each.adaptation.checkpointing
        assert each.precision == "bf16"
    # Every number of a table stands in the file, so that none changes with a default.
    for path in TRAININGS:
        if path.stem.startswith("wan"):
            said = tomllib.loads(path.read_text(encoding="utf-8"))
            for table in ("adaptation", "optimizer"):
                left = set(_plain(path.stem)[table]) - set(said[table])
                assert left <= {"horizon"}, path.stem


@pytest.mark.parametrize("path", SVD_TRAININGS, ids=lambda path: path.stem)
def test_what_the_network_is_not_told_is_as_described(path: Path, plugins: Plugins) -> None:
    config = read_config(path)
    objective = from_mapping(_offer(config, plugins).training, config.objective, "[objective]")
    shares = (objective.drop_image_embedding, objective.drop_image_latent, config.drop_motion)
    assert shares == ((0.1, 0.1, 0.0) if config.backbone == "svd" else (0.0, 0.0, 0.1))
    late = {"study", "train-4", "train-5", "train-6", "train-7", "train-8"}
    assert objective.motion_bucket == (6 if path.stem in late else None)


def _offer(config: TrainConfig, plugins: Plugins) -> BackboneOffer:
    offer = plugins.find("backbone", config.backbone).offer
    assert isinstance(offer, BackboneOffer)
    return offer


def _read(name: str) -> TrainConfig:
    return read_config(RECIPES / f"{name}.toml")


def _plain(name: str) -> dict[str, Any]:
    return _read(name).plain()
