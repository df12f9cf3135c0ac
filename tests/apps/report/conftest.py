"""Results of made-up models, and an evaluation's folder with their videos."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from kinema.evaluation import Fault, MetricRecord, ModelRecord, Results, ScoreRow, SummaryRow
from kinema.evaluation.folder import Folder
from kinema.evaluation.results import summarise
from kinema.interfaces import BenchmarkItem
from kinema.media.video import Video
from kinema.motion.camera import CameraPath
from kinema.motion.motion import Motion
from kinema.offers import Better

MakeResults = Callable[..., Results]

#: Name, better side, unit, mean of the model ``weak``, how much better ``strong`` is.
NUMBERS: tuple[tuple[str, Better, str, float, float], ...] = (
    ("path-error", "less", "px", 9.0, -5.0),
    ("likeness[small]", "more", "", 0.5, 0.2),
    ("speed", "neither", "px", 2.0, 1.0),
)


def _record(name: str, better: Better, unit: str) -> MetricRecord:
    return MetricRecord(
        name=name,
        of="set" if name.startswith("fid") else "video",
        summary=f"What {name} is.",
        unit=unit,
        better=better,
        needs=(),
        published="",
        stands_in_for=name.partition("[")[0] if "[" in name else "",
        options={},
        distribution="made-up",
        version="1.0",
    )


@pytest.fixture(scope="session")
def make_results() -> MakeResults:
    """Scores of two models on two parts; each number of an item is near the other model's."""

    def make(items: int = 12, seeds: int = 1, hostile: str = "", seed: int = 0) -> Results:
        rng = np.random.default_rng(seed)
        models = ("weak", "strong")
        scores = []
        for subset in ("objects", "camera"):
            for index in range(items):
                hard = rng.normal(0, 2)
                for number in range(seeds):
                    for name, better, unit, mean, gain in NUMBERS:
                        if (subset, name) == ("camera", "path-error"):
                            continue
                        for model in models:
                            value = mean + abs(gain) * hard + gain * (model == "strong")
                            scores.append(
                                ScoreRow(
                                    model=model,
                                    subset=subset,
                                    item=f"{hostile}{subset}-{index}",
                                    seed=number,
                                    metric=name,
                                    offer=name,
                                    unit=unit,
                                    better=better,
                                    value=value + rng.normal(0, 0.3 * abs(gain)),
                                )
                            )
        scores.sort(key=lambda row: models.index(row.model))
        sets = [
            SummaryRow(
                model=model, subset="objects", metric="fid[small]", offer="fid[small]", of="set",
                value=10.0 - rank, low=9.5 - rank, high=10.4 - rank, count=items,
                reference=items, better="less",
            )
            for rank, model in enumerate(models)
        ]  # fmt: skip
        fault = Fault(
            stage="video", subset="objects", item="objects-99", model="weak", seed=0,
            reason=f"{hostile}It broke.",
        )  # fmt: skip
        return Results(
            benchmark="made-up",
            options={"count": items},
            seeds=tuple(range(seeds)),
            subsets={"objects": items, "camera": items},
            models=tuple(ModelRecord(name=name, kind="backbone", what={}) for name in models),
            metrics=(
                *(_record(name, better, unit) for name, better, unit, _, _ in NUMBERS),
                _record("fid[small]", "less", ""),
            ),
            scores=tuple(scores),
            summary=(*summarise(scores), *sets),
            faults=(fault,),
        )

    return make


@pytest.fixture
def evaluated(tmp_path: Path, written: Path) -> Path:
    """An evaluation's folder, of the test's own."""
    return Path(shutil.copytree(written, tmp_path / "run"))


@pytest.fixture(scope="session")
def written(tmp_path_factory: pytest.TempPathFactory, make_results: MakeResults) -> Path:
    """An evaluation's folder: results, and the videos and motions of the parts' first items."""
    folder = tmp_path_factory.mktemp("evaluated")
    (folder / "evaluation.json").write_text("{}")
    make_results().save(folder)
    motion = Motion(canvas=(64, 48), drags=[[(20, 20), (40, 28)]])
    camera = Motion(canvas=(64, 48), camera=CameraPath.parse("zoom:1.2"))
    rng = np.random.default_rng(1)
    for subset, asked in (("objects", motion), ("camera", camera)):
        for index in range(12):
            item = BenchmarkItem(key=f"{subset}-{index}", subset=subset)
            Folder(folder).item(item).mkdir(parents=True)
            asked.save(Folder(folder).item(item) / "motion.json")
            photo = rng.integers(0, 256, (6, 8, 3), dtype=np.uint8).repeat(8, 0).repeat(8, 1)
            for model, step in (("weak", 1), ("strong", 3)):
                frames = np.stack([np.roll(photo, step * frame, 1) for frame in range(6)])
                path = Folder(folder).video(model, item, 0)
                path.parent.mkdir(parents=True, exist_ok=True)
                Video(frames, 8).save(path)
    return folder
