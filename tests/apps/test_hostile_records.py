"""Records of any types: a sentence that names the file, and never another error.

Recipes, plans, checkpoints, results, studies, votes. Some of the documents are drawn by a seed; all
of them are tried among the slow tests.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from kinema.clips.preparation.config import PrepareConfig
from kinema.clips.preparation.engine import _check_folder
from kinema.clips.preparation.shards import PLAN, Job
from kinema.errors import InputError
from kinema.evaluation import Results
from kinema.testing.hostile import hostile_documents
from kinema.training.config import read_config
from kinema.training.state import RECORD
from kinema.training.state import load as load_state
from kinema.training.toml import to_toml
from kinema_apps.studio.annotation import GROUPS, Annotation
from kinema_apps.votes.results import count_votes
from kinema_apps.votes.store import Vote, VoteStore
from kinema_apps.votes.study import Study

#: Documents that are drawn of each kind, beside those that are no documents.
FEW = 150


@pytest.fixture(params=["few", pytest.param("all", marks=pytest.mark.slow)])
def most(request: pytest.FixtureRequest) -> int | None:
    return FEW if request.param == "few" else None


def test_a_recipe_of_any_types_is_told_or_taken(tmp_path: Path, most: int | None) -> None:
    recipe = {
        "data": "clips", "out": "run", "backbone": "tiny", "backbone_options": {"seed": 1},
        "controller": "motionpro", "condition_options": {"region-trajectory": {"k": 8}},
        "conditions": ["region-trajectory"], "steps": 5, "precision": "no", "ema": 0.5,
        "objective": {"p_mean": 1.0}, "events": ["a"], "adaptation": {"method": "lora", "rank": 4},
        "optimizer": {"learning_rate": 1e-3, "schedule": "cosine"}, "checkpoints": {"every": 2},
        "validation": {"every": 2, "sigmas": [0.2, 1.0], "sample": {"steps": 3}},
    }  # fmt: skip
    path = tmp_path / "recipe.toml"
    assert named(path, hostile_documents(recipe, most, write=to_toml), read_config) > 20


def test_a_preparation_s_plan_of_any_types_is_told(tmp_path: Path, most: int | None) -> None:
    plan = {"format": "x", "config": {"source": "a", "fps": 8.0}, "items": "00", "count": 3}
    job = Job(
        config=PrepareConfig(source="a", backbone="tiny", out=str(tmp_path)), plan=plan, identity=""
    )
    documents = hostile_documents(plan, most)
    assert named(tmp_path / PLAN, documents, lambda path: _check_folder(job), str(tmp_path)) > 20


def test_a_checkpoint_s_record_of_any_types_is_told(tmp_path: Path, most: int | None) -> None:
    record = {
        "format": "kinema.training/1", "step": 3, "network": "x", "scaler": {},
        "values": {"a": 1.0}, "files": {"weights.safetensors": "00"},
    }  # fmt: skip
    path = tmp_path / "step-000003" / RECORD
    path.parent.mkdir()

    def load(path: Path) -> None:
        load_state(path.parent, "", "x", {})

    assert named(path, hostile_documents(record, most), load, str(path.parent)) > 20


def test_what_an_evaluation_found_of_any_types_is_told_or_taken(
    tmp_path: Path, most: int | None
) -> None:
    row = {"model": "a", "subset": "s", "metric": "m", "offer": "m", "unit": "", "better": "less"}
    found = {
        "format": "kinema.results/1", "benchmark": "b", "options": {}, "seeds": [0],
        "subsets": {"s": 2}, "models": [{"name": "a", "kind": "still", "what": {}}],
        "metrics": [{"name": "m", "of": "video", "summary": "", "unit": "", "better": "less",
                     "needs": ["motion"], "published": "", "stands_in_for": "", "options": {},
                     "distribution": "kinema", "version": "1"}],
        "scores": [{**row, "item": "i", "seed": 0, "value": 1.0, "status": "ok", "reason": ""}],
        "summary": [{**row, "of": "video", "value": 1.0, "low": 1.0, "high": 1.0, "count": 1,
                     "missing": 0, "reference": 0, "reason": ""}],
        "faults": [{"stage": "item", "subset": "s", "item": "i", "reason": "r", "model": "",
                    "seed": None, "metric": ""}],
        "published": [{"source": "p", "protocol": "", "subset": "", "numbers": {"a": {"M": 1.0}}}],
    }  # fmt: skip

    def use(path: Path) -> None:
        Results.load(path.parent).markdown()

    assert named(tmp_path / "scores.json", hostile_documents(found, most), use) > 20


def test_a_study_and_its_votes_of_any_types_are_told_or_taken(
    tmp_path: Path, most: int | None
) -> None:
    study = Study(
        models=("a", "b"), videos={"i": ("a", "b"), "j": ("a", "b")}, drawn=frozenset("i"),
        checks=1, ties=True, secret="00" * 16,
    )  # fmt: skip
    study.save(tmp_path)
    store = VoteStore(tmp_path, study)
    for number, trial in enumerate(store.enrol("ann", "now")):
        answers = dict.fromkeys(study.questions(trial.item), "a")
        store.add(Vote(rater="ann", trial=number, answers=answers, seconds=1.0, at="now"))

    def use(path: Path) -> None:
        count_votes(VoteStore(tmp_path, Study.load(tmp_path)), True).markdown()

    whole = (tmp_path / "study.json").read_bytes()
    documents = hostile_documents(json.loads(whole), most)
    assert named(tmp_path / "study.json", documents, use, str(tmp_path)) > 20
    (tmp_path / "study.json").write_bytes(whole)
    lines = (tmp_path / "votes.jsonl").read_bytes().splitlines()
    for changed in (0, 1):
        texts = (
            b"\n".join([*lines[:changed], text.replace(b"\n", b" "), *lines[changed + 1 :], b""])
            for text in hostile_documents(json.loads(lines[changed]), most)
        )
        assert named(tmp_path / "votes.jsonl", texts, use) > 20


def test_an_annotation_s_source_of_any_types_is_passed_over(
    tmp_path: Path, most: int | None
) -> None:
    item = tmp_path / "items" / GROUPS[0] / "one"
    item.mkdir(parents=True)
    (tmp_path / "photos").mkdir()
    Image.new("RGB", (8, 8)).save(tmp_path / "photos" / "a.png")
    for text in hostile_documents({"photo": "a.png"}, most):
        (item / "source.json").write_bytes(text)
        assert [
            photo.name for photo in Annotation(tmp_path / "photos", tmp_path / "items").photos()
        ]


def named(path: Path, texts: Iterable[bytes], read: Callable[[Path], Any], name: str = "") -> int:
    """How many of the texts are refused in place of a file, each by a sentence that names it."""
    count = 0
    for text in texts:
        path.write_bytes(text)
        said = told(lambda: read(path))
        count += said is not None
        assert said is None or (name or str(path)) in said, (text[:200], said)
    return count


def told(read: Callable[[], Any]) -> str | None:
    """The sentence that a reader refuses something with, or None."""
    try:
        read()
    except InputError as error:
        return str(error)
    return None
