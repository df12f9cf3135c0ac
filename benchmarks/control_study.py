"""How well controllers make a video follow a drawn path: trained, sampled and measured alike.

All arms begin with the same backbone, `tiny` in the middle of its training. Each gets a new
controller, and both are trained together on the same clips for as many steps; one arm goes on
without any controller. Then all render the same unseen synthetic scenes, and `trajectory-distance`
compares the drawn path with the one that is seen in the video. Run from the root of the repository:

    kinema prepare examples/recipes/tiny/prepare-2.toml
    kinema train examples/recipes/tiny/study.toml
    python benchmarks/control_study.py --seeds 0 1 --out runs/study
    python benchmarks/control_study.py --out runs/study --table

An arm and seed that is finished is kept, so several processes may share the work with --arms. With
--shipped, the weights that come along are measured instead, with control and without:

    python benchmarks/control_study.py --shipped --items 64 --pairs 12 --seeds 0 1
"""

from __future__ import annotations

import argparse
import json
import re
import time
import tomllib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs
import numpy as np
import torch

from kinema.evaluation import Evaluation, Item, Score, evaluate
from kinema.files import write_atomically
from kinema.interfaces import Metric
from kinema.motion.motion import Motion
from kinema.motion.observed import motion_of
from kinema.plugins import Plugins
from kinema.session.session import Session
from kinema.training.config import TrainConfig, parse_config, read_config
from kinema.training.loop import train
from kinema_conditions.synthetic import SyntheticConfig, ambiguous_pairs, generate

SIZE, FRAMES = (64, 64), 8
START = Path("runs/tiny/study/step-002500/weights")
SCENES = Path("examples/recipes/tiny/prepare-2.toml")
RECIPE = Path("examples/recipes/tiny/study.toml")

LEARNING_RATE = 3e-3

#: All arms are sampled alike, and none with motion guidance, which only some could use.
SAMPLE = {"steps": 4, "sigma_max": 120.0, "sigma_min": 10.0, "motion_guidance": 1.0}

#: What a person draws is far fewer regions; but few steps teach nothing where most is hidden.
REGION: dict[str, Any] = {"k": 8, "r_min": 0.5}

#: Unseen: the training clips have another seed.
TEST_SEED = 99

#: How the table writes a metric's value.
DISTANCE = "trajectory-distance"


@attrs.frozen(kw_only=True)
class Arm:
    """One way of control.

    Attributes:
        controller: its name; empty trains and samples the backbone alone.
        options: of the controller, beside those of the recipe.
        conditions: that feed it, in channel order, with their options.
    """

    controller: str = "modulation"
    options: Mapping[str, Any] = attrs.field(factory=dict)
    conditions: Mapping[str, Mapping[str, Any]] = attrs.field(factory=dict)

    @property
    def channels(self) -> int:
        """Of the signal."""
        return 2 + ("motion-mask" in self.conditions)


def _region(**options: Any) -> dict[str, dict[str, Any]]:
    k = options.get("k", REGION["k"])
    return {"region-trajectory": {**REGION, **options}, "motion-mask": {"k": k}}


ARMS: dict[str, Arm] = {
    "no control": Arm(controller=""),
    "gaussian": Arm(
        conditions={"gaussian-trajectory": {"kernel": 25, "sigma": 2.5}, "motion-mask": {}}
    ),
    "region, no mask": Arm(conditions={"region-trajectory": REGION}),
    "region and mask": Arm(conditions=_region()),
    "encoder as published": Arm(
        options={"norms": True, "scale": 1.0, "waves": ()}, conditions=_region()
    ),
    "concat": Arm(controller="concat", conditions=_region()),
    "add": Arm(controller="add", conditions=_region()),
    "k = 4": Arm(conditions=_region(k=4)),
    "k = 16": Arm(conditions=_region(k=16)),
    "r_min = 0": Arm(conditions=_region(r_min=0.0)),
    "r_min = 0.9": Arm(conditions=_region(r_min=0.9)),
    "r_min = 0.99": Arm(conditions=_region(r_min=0.99)),
    "one drag or two": Arm(conditions=_region(drags=2)),
}


def scenes() -> SyntheticConfig:
    """What the training clips show."""
    options = tomllib.loads(SCENES.read_text(encoding="utf-8"))["options"]["source"]
    return SyntheticConfig(**{k: v for k, v in options.items() if k not in ("seed", "count")})


def test_items(count: int) -> list[Item]:
    """Unseen scenes like the training's: name, first frame, a drag, the region of all motion."""
    config = scenes()
    items: list[Item] = []
    index = 0
    while len(items) < count:
        clip = generate(TEST_SEED, index, SIZE, FRAMES, config)
        generator = torch.Generator().manual_seed(index)
        motion = motion_of(clip.observation, generator, drags=1, fps=8.0)
        (path,) = [np.array(drag.points) for drag in motion.drags]
        # A drag of a pixel or two says nothing about control.
        if np.linalg.norm(path[-1] - path[0]) >= 4:
            items.append((f"scene-{index}", clip.frames[0].numpy(), motion))
        index += 1
    return items


def recipe_of(arm: Arm, folder: Path, weights: Path, steps: int, seed: int) -> TrainConfig:
    """How an arm is trained."""
    base = read_config(RECIPE).plain()
    options = {**base["controller_options"], **arm.options}
    options |= {"channels": arm.channels, "seed": seed}
    recipe = {
        **base,
        "out": str(folder),
        "steps": steps,
        "seed": seed,
        "ema": 0.99,
        "backbone_options": {},
        "weights": str(weights),
        "controller": arm.controller,
        "controller_options": options if arm.controller else {},
        "conditions": list(arm.conditions),
        "condition_options": {name: dict(options) for name, options in arm.conditions.items()},
        "adaptation": {"method": "full"},
        "optimizer": {**base["optimizer"], "learning_rate": LEARNING_RATE, "horizon": 0},
        "checkpoints": {"every": steps, "keep": 1, "best": ""},
    }
    return parse_config(recipe)


def follow(session: Session) -> Callable[[Any, Motion, int], Any]:
    """Renders an item in a session."""
    return lambda photo, motion, seed: session.animate(photo, motion, frames=FRAMES, seed=seed)


def metrics() -> dict[str, Metric]:
    """The metric of the study."""
    return {DISTANCE: Plugins.installed().build("metric", DISTANCE, {})}


def run_arm(name: str, seed: int, options: argparse.Namespace, items: Sequence[Item]) -> None:
    """Train and score one arm, and keep what was found."""
    plain = re.sub(r"[^\w.]+", "-", name)
    out: Path = options.out / f"{plain}-{seed}.json"
    if out.is_file():
        return
    start, arm = time.time(), ARMS[name]
    folder = options.out / f"{plain}-{seed}"
    trained = train(recipe_of(arm, folder, options.weights, options.steps, seed), resume=True)
    controller = trained / "controller" if arm.controller else ""
    weights = str(trained / "weights")
    with Session(
        "tiny", weights=weights, controller=controller, device="cpu", sample=SAMPLE
    ) as session:
        scores = evaluate(follow(session), items, metrics(), [seed])
        pairs = misread(session, options.pairs, seed) if arm.controller else {}
    found = {
        "arm": name,
        "steps": options.steps,
        "seed": seed,
        "evaluation": scores.to_dict(),
        "pairs": pairs,
    }
    print(f"{name}, seed {seed}: {scores.summary[DISTANCE]} px in {time.time() - start:.0f} s")
    text = json.dumps(found, indent=1) + "\n"
    write_atomically(out, lambda path: path.write_text(text, encoding="utf-8"))


def misread(session: Session, count: int, seed: int) -> dict[str, float]:
    """How far the background moves, in pixels, where the same drag means the object or the camera.

    ``object`` should be 0, ``camera`` the length of the drag, ``drag``.
    """
    metric: Any = metrics()[DISTANCE]
    moved: dict[str, list[float]] = {"object": [], "camera": [], "drag": []}
    for pair in ambiguous_pairs(TEST_SEED, count, SIZE, FRAMES, scenes().blur):
        for reading in ("object", "camera"):
            video = follow(session)(pair.photo.numpy(), pair.motion(reading), seed)
            frames = torch.from_numpy(video.frames.copy())
            went = metric.displacements(frames, pair.background.float())[-1]
            moved[reading].append(float(went.norm(dim=-1).median()))
        path = np.array(pair.drag.points)
        moved["drag"].append(float(np.linalg.norm(path[-1] - path[0])))
    return {name: float(np.mean(values)) for name, values in moved.items()}


def table(folder: Path) -> str:
    """What the arms in a folder found, over all their seeds, as Markdown."""
    found: dict[str, list[dict[str, Any]]] = {}
    for path in sorted(folder.glob("*.json")):
        one = json.loads(path.read_text(encoding="utf-8"))
        found.setdefault(one["arm"], []).append(one)
    lines = [
        "| Arm | Seeds | Distance, px | 95 % interval | Background moves: object, camera meant |",
        "| --- | --- | --- | --- | --- |",
    ]
    for name in (name for name in ARMS if name in found):
        runs = found[name]
        scores = tuple(Score(**score) for run in runs for score in run["evaluation"]["scores"])
        mean = Evaluation(scores=scores).summary[DISTANCE]
        pairs = [run["pairs"] for run in runs if run["pairs"]]
        told = ", ".join(
            f"{np.mean([pair[reading] for pair in pairs]):.1f} px"
            for reading in ("object", "camera") if pairs
        )  # fmt: skip
        span = f"{mean.low:.2f} to {mean.high:.2f}"
        lines.append(f"| {name} | {len(runs)} | {mean.mean:.2f} | {span} | {told or '-'} |")
    return "\n".join(lines) + "\n"


def shipped(options: argparse.Namespace, items: Sequence[Item]) -> str:
    """How the weights that come along follow, as Markdown."""
    lines = ["| What | Distance, px | 95 % interval |", "| --- | --- | --- |"]
    for name, controller in (("steered", None), ("not steered", "")):
        with Session("tiny", controller=controller, device="cpu") as session:
            mean = evaluate(follow(session), items, metrics(), options.seeds).summary[DISTANCE]
        lines.append(f"| {name} | {mean.mean:.2f} | {mean.low:.2f} to {mean.high:.2f} |")
    with Session("tiny", device="cpu") as session:
        pairs = misread(session, options.pairs, 0)
    (metric,) = metrics().values()
    still = [
        metric.measure(torch.from_numpy(photo).expand(FRAMES, -1, -1, -1).contiguous(), motion)
        for _, photo, motion in items
    ]
    lines.append(f"| a photo that stands still | {np.mean([s[DISTANCE] for s in still]):.2f} | |")
    told = ", ".join(f"{name} {value:.1f} px" for name, value in pairs.items())
    return "\n".join([*lines, "", f"Background moves, by what is meant: {told}."]) + "\n"


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the study, or print its table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("runs/study"))
    parser.add_argument("--weights", type=Path, default=START, help="of tiny, to start from")
    parser.add_argument("--arms", nargs="*", default=list(ARMS), choices=list(ARMS), metavar="ARM")
    parser.add_argument("--seeds", nargs="*", type=int, default=[0])
    parser.add_argument("--steps", type=int, default=800)
    parser.add_argument("--items", type=int, default=24)
    parser.add_argument("--pairs", type=int, default=8)
    parser.add_argument("--table", action="store_true", help="print what was found and stop")
    parser.add_argument("--shipped", action="store_true", help="measure what comes along and stop")
    options = parser.parse_args(arguments)
    items = [] if options.table else test_items(options.items)
    if options.shipped:
        print(shipped(options, items))
        return
    if not options.table:
        for seed in options.seeds:
            for name in options.arms:
                run_arm(name, seed, options, items)
    print(table(options.out))


if __name__ == "__main__":
    main()
