"""The folder of an evaluation: where everything lies, and what it belongs to.

::

    evaluation.json                              benchmark, models, metrics and seeds
    items/SUBSET/KEY/photo.png, motion.json      what every model was given
    videos/MODEL/SUBSET/KEY-seed0/0000.png ...   every video, exact
    records/MODEL/SUBSET/KEY-seed0.json          its numbers, and what failed
    features/MODEL/METRIC/SUBSET/KEY-seed0.npy   what set metrics keep of it
    reference/METRIC/SUBSET/KEY.npy              the same of the real videos
    times/MODEL/SUBSET/KEY-seed0.json            seconds; nothing else depends on the clock
    scores.json, scores.parquet                  the results

Every file is written by a temporary name and a rename, so a killed run leaves whole ones.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

import attrs

from kinema.errors import InputError
from kinema.files import read_text, sha256_of, write_atomically
from kinema.interfaces import BenchmarkItem

PLAN = "evaluation.json"
PLAN_FORMAT = "kinema.evaluation-plan/1"


def safe(name: str) -> str:
    """A name as that of one file: everything unusual is percent-encoded."""
    text = quote(name, safe="[]")
    return "%2E" + text[1:] if text.startswith(".") else text


@attrs.frozen
class Folder:
    """Paths in the folder of an evaluation."""

    path: Path

    @property
    def plan(self) -> Path:
        """What is evaluated."""
        return self.path / PLAN

    def item(self, item: BenchmarkItem) -> Path:
        """The folder of what models were given."""
        return self.path / "items" / safe(item.subset) / safe(item.key)

    def video(self, model: str, item: BenchmarkItem, seed: int) -> Path:
        """The folder of a video's PNG frames."""
        return self.path / "videos" / video_name(model, item, seed)

    def record(self, model: str, item: BenchmarkItem, seed: int) -> Path:
        """What was measured of a video."""
        return self._json("records", model, item, seed)

    def times(self, model: str, item: BenchmarkItem, seed: int) -> Path:
        """How long making and measuring a video took."""
        return self._json("times", model, item, seed)

    def features(self, model: str, metric: str, item: BenchmarkItem, seed: int) -> Path:
        """What a set metric keeps of a video."""
        folder = self.path / "features" / safe(model) / safe(metric) / safe(item.subset)
        return folder / f"{_name(item, seed)}.npy"

    def reference(self, metric: str, item: BenchmarkItem) -> Path:
        """What a set metric keeps of the item's real video."""
        folder = self.path / "reference" / safe(metric) / safe(item.subset)
        return folder / f"{safe(item.key)}.npy"

    def _json(self, kind: str, model: str, item: BenchmarkItem, seed: int) -> Path:
        return self.path / kind / safe(model) / safe(item.subset) / f"{_name(item, seed)}.json"

    def sweep(self) -> None:
        """Remove what a killed process left half-written."""
        for rest in self.path.rglob(".*.*"):
            if rest.is_dir():
                shutil.rmtree(rest, ignore_errors=True)


def video_name(model: str, item: BenchmarkItem, seed: int) -> str:
    """Where a video lies among all: ``MODEL/SUBSET/ITEM-seed0``."""
    return f"{safe(model)}/{safe(item.subset)}/{_name(item, seed)}"


def _name(item: BenchmarkItem, seed: int) -> str:
    return f"{safe(item.key)}-seed{seed}"


def digest(data: Any) -> str:
    """Hex digest of plain data."""
    return sha256_of(json.dumps(data, sort_keys=True).encode())


def write_json(path: Path, data: Mapping[str, Any]) -> None:
    """Write plain data; the folder is made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps(data, indent=1, sort_keys=True) + "\n"
    write_atomically(path, lambda part: part.write_text(text, encoding="utf-8"))


def read_json(path: Path) -> Any:
    """The data of a file that this module wrote, or None if it is absent or damaged."""
    try:
        return json.loads(read_text(path))
    except (OSError, ValueError, RecursionError):
        return None


def check_plan(folder: Folder, plan: Mapping[str, Any]) -> dict[str, Any]:
    """The plan with the models and metrics that the folder already knew.

    Raises:
        InputError: the folder belongs to another benchmark, or knows another model or metric by
            the same name.
    """
    path = folder.path
    if path.exists() and not path.is_dir():
        raise InputError(f"Cannot evaluate into {str(path)!r}: it is a file.")
    if not folder.plan.exists():
        others = [each.name for each in path.iterdir()] if path.is_dir() else []
        if any(not name.startswith(".") for name in others):
            raise InputError(f"The folder {str(path)!r} holds something else than an evaluation.")
        return dict(plan)
    before = read_json(folder.plan)
    if not _is_plan(before):
        raise InputError(f"{str(folder.plan)!r} is damaged; remove the folder {str(path)!r}.")
    for name in ("benchmark", "options", "form", "items"):
        if before[name] != plan[name]:
            raise InputError(
                f"The folder {str(path)!r} holds another evaluation: its {name} was "
                f"{_short(before[name])}, now {_short(plan[name])}. Choose another folder, or "
                "remove that one."
            )
    merged = dict(plan)
    for kind in ("models", "metrics"):
        for name, what in before[kind].items():
            if name in plan[kind] and plan[kind][name] != what:
                differing = sorted(
                    key
                    for key in {*what, *plan[kind][name]}
                    if what.get(key) != plan[kind][name].get(key)
                )
                raise InputError(
                    f"The folder {str(path)!r} knows another {kind[:-1]} {name!r}: it differs in "
                    f"{', '.join(differing)}. Name it otherwise, or choose another folder."
                )
        merged[kind] = {**before[kind], **plan[kind]}
    merged["seeds"] = sorted({*before["seeds"], *plan["seeds"]})
    return merged


def _is_plan(data: Any) -> bool:
    """Whether a plan has what is read of it."""
    if not isinstance(data, dict) or data.get("format") != PLAN_FORMAT:
        return False
    tables = [data.get(kind) for kind in ("models", "metrics")]
    seeds = data.get("seeds")
    return (
        all(isinstance(table, dict) for table in tables)
        and all(isinstance(what, dict) for table in tables for what in (table or {}).values())
        and isinstance(seeds, list)
        and all(isinstance(seed, int) for seed in seeds)
        and {"benchmark", "options", "form", "items"} <= data.keys()
    )


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 100 else f"{text[:97]}..."
