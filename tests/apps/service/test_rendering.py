"""What a worker does with its sessions, and with errors."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import kinema
from kinema.session.session import Session
from kinema_apps.service.local_engine import _reason
from kinema_apps.service.rendering import OutOfMemory, Renderer
from kinema_apps.service.step_pictures import rough
from kinema_apps.service.tasks import SHORT_OF_MEMORY, Said, Task, line

MOTION = kinema.Motion(canvas=(32, 16), drags=[kinema.Drag([(8, 8), (16, 8)])])


def test_colours_are_found_without_a_table() -> None:
    rng = np.random.default_rng(0)
    photo = rng.integers(0, 256, (64, 96, 3), dtype=np.uint8)
    small = photo.reshape(8, 8, 12, 8, 3).mean((1, 3))
    frames = np.stack([small, np.roll(small, 3, 1)])  # the second has moved
    mixed = np.concatenate([frames, frames[..., :1] * 0.5], -1) @ rng.normal(size=(4, 4))
    latents = (mixed / 100).transpose(0, 3, 1, 2).astype(np.float32)
    drawn = rough(latents, photo)
    assert drawn.shape == (2, 8, 12, 3)
    assert np.abs(drawn.astype(float) - frames).max() < 8


def test_latents_that_are_all_alike_give_the_mean() -> None:
    photo = np.full((16, 16, 3), (200, 100, 50), np.uint8)
    drawn = rough(np.zeros((3, 4, 2, 2), np.float32), photo)
    assert np.abs(drawn.astype(int) - (200, 100, 50)).max() <= 1


def test_records_travel_as_a_line_of_json() -> None:
    said = Said(kind="progress", job="a", tried=2, data={"text": "a\nb"})
    text = line(said)
    assert text.count("\n") == 1
    assert Said(**json.loads(text)) == said


def test_the_end_of_a_worker_is_told_in_words() -> None:
    assert _reason(SHORT_OF_MEMORY) == "it ran out of memory"
    assert _reason(3) == "it ended with the exit code 3"
    assert _reason(-9).startswith("it was ended by SIGKILL, as the system does")
    assert _reason(-11) == "it was ended by SIGSEGV"


@pytest.fixture
def task(photo: bytes, tmp_path: Path) -> Task:
    (tmp_path / "photo.png").write_bytes(photo)
    return Task(
        job="a",
        tried=1,
        folder=str(tmp_path),
        photo=str(tmp_path / "photo.png"),
        request={"motion": MOTION.to_dict(), "frames": 4},
        session={"backbone": "preview"},
    )


def render(renderer: Renderer, task: Task) -> Said:
    return renderer.render(task, lambda said: None, lambda: False)


@pytest.mark.all_packages
def test_a_session_stays_loaded_until_another_is_needed(
    task: Task, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[str] = []
    closed: list[str] = []
    init, close = Session.__init__, Session.close

    def opening(self: Session, backbone: str, **more: Any) -> None:
        opened.append(backbone)
        init(self, backbone, **more)

    def closing(self: Session) -> None:
        closed.append(self.backbone_name)
        close(self)

    monkeypatch.setattr(Session, "__init__", opening)
    monkeypatch.setattr(Session, "close", closing)
    renderer = Renderer(sessions=1, pictures=False)
    other = Task(**{**vars_of(task), "session": {"backbone": "tiny"}})
    seeded = Task(**{**vars_of(task), "request": {**task.request, "seed": 3}})
    for each in (task, seeded, other, task):
        assert render(renderer, each).kind == "succeeded"
    assert opened == ["preview", "tiny", "preview"]
    assert closed == ["preview", "tiny"]
    renderer.close()
    assert closed == ["preview", "tiny", "preview"]


@pytest.mark.all_packages
@pytest.mark.parametrize("error", [MemoryError(), RuntimeError("can't allocate memory: 9 bytes")])
def test_memory_that_is_short_is_told_apart(
    task: Task, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def short(*_: Any, **__: Any) -> None:
        raise error

    monkeypatch.setattr(Session, "animate", short)
    with pytest.raises(OutOfMemory, match="There was not enough memory for this video"):
        render(Renderer(pictures=False), task)


@pytest.mark.all_packages
def test_a_manifest_says_nothing_of_where_photos_lie(task: Task, tmp_path: Path) -> None:
    assert render(Renderer(pictures=False), task).kind == "succeeded"
    assert str(tmp_path) not in (tmp_path / "manifest.json").read_text()


def vars_of(task: Task) -> dict[str, Any]:
    import attrs

    return attrs.asdict(task)
