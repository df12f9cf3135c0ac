"""Making a video on a machine that does not see the server's files."""

from __future__ import annotations

import json
import queue
import tempfile
import threading
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path, PurePath

import attrs

from kinema_apps.service.rendering import OutOfMemory, Renderer
from kinema_apps.service.tasks import Said, Task, line

Spoken = tuple[str, dict[str, bytes]]


def rendered(
    renderer: Renderer,
    text: str,
    photos: Mapping[str, bytes],
    cancelled: Collection[tuple[str, int]],
) -> Iterator[Spoken]:
    """What is said while the video of a task is made, and the files that go with it.

    Args:
        text: the task as JSON, with the server's paths.
        photos: content by those paths.
        cancelled: the tries that are no longer wanted; looked at between steps.
    """
    with tempfile.TemporaryDirectory(prefix="kinema-") as scratch:
        task = _moved(Task(**json.loads(text)), photos, Path(scratch))
        spoken: queue.SimpleQueue[Said] = queue.SimpleQueue()

        def work() -> None:
            spoken.put(_done(renderer, task, spoken, cancelled))

        threading.Thread(target=work, daemon=True).start()
        while True:
            said = spoken.get()
            yield line(said), _files(said, Path(task.folder))
            if said.kind in ("succeeded", "failed", "cancelled"):
                return


def _done(
    renderer: Renderer,
    task: Task,
    spoken: queue.SimpleQueue[Said],
    cancelled: Collection[tuple[str, int]],
) -> Said:
    def failed(code: str, message: str) -> Said:
        data = {"code": code, "message": message}
        return Said(kind="failed", job=task.job, tried=task.tried, data=data)

    try:
        return renderer.render(task, spoken.put, lambda: (task.job, task.tried) in cancelled)
    except OutOfMemory as error:
        renderer.close()
        return failed("memory", f"{error} Ask for a smaller size or fewer frames.")
    except Exception as error:
        return failed("internal", f"The worker failed unexpectedly ({type(error).__name__}).")


def _moved(task: Task, photos: Mapping[str, bytes], scratch: Path) -> Task:
    """The task with paths of this machine."""
    for path, content in photos.items():
        (scratch / PurePath(path).name).write_bytes(content)

    def here(path: str) -> str:
        return str(scratch / PurePath(path).name) if path else ""

    folder = scratch / "made"
    folder.mkdir()
    return attrs.evolve(
        task,
        folder=str(folder),
        photo=here(task.photo),
        last_image=here(task.last_image),
        plate=here(task.plate),
        references=tuple(here(path) for path in task.references),
    )


def _files(said: Said, folder: Path) -> dict[str, bytes]:
    """What goes with it: a picture by its name; at the end all but pictures."""
    if said.kind == "picture":
        return {said.data["name"]: (folder / said.data["name"]).read_bytes()}
    if said.kind != "succeeded":
        return {}
    made = [path for path in folder.iterdir() if not path.name.startswith("step-")]
    return {path.name: path.read_bytes() for path in made}
