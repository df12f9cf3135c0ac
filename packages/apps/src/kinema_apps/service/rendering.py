"""Making the video of a task, with sessions that stay loaded between tasks."""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import attrs

from kinema.errors import Cancelled, InputError, KinemaError, MotionError, PluginError, WeightsError
from kinema.media.photo import Photo, read_photo
from kinema.media.video import Video
from kinema.motion.motion import Motion
from kinema.offers import SOLVER, NativeForm
from kinema.plugins import Plugins
from kinema.session.session import Session
from kinema_apps.motion_options import MOST_PIXELS
from kinema_apps.service.step_pictures import NAME, StepPictures
from kinema_apps.service.tasks import Said, Saying, Task

#: The form of a video of a backbone that does not say which it makes best.
USUAL = NativeForm(size=(512, 320), frames=16, fps=8.0, multiple=64)

Say = Callable[[Said], None]


class OutOfMemory(KinemaError):
    """A video took more memory than there is."""


class Renderer:
    """Makes videos one at a time.

    Args:
        sessions: how many stay loaded; the one used longest ago is closed.
        pictures: whether rough pictures of unfinished videos are drawn.
    """

    def __init__(self, sessions: int = 1, pictures: bool = True) -> None:
        self._most = sessions
        self._pictures = StepPictures() if pictures else None
        self._sessions: OrderedDict[str, Session] = OrderedDict()
        # Of its own, because the observer is added to it.
        self._plugins = Plugins()
        self._plugins.load_entry_points()
        if self._pictures is not None:
            self._plugins.register(self._pictures, NAME, "kinema-apps", version("kinema-apps"))

    def render(self, task: Task, say: Say, cancelled: Callable[[], bool]) -> Said:
        """Make the video and write its files; what became of it.

        Nothing is raised for a task that cannot be done.

        Raises:
            OutOfMemory: there is not enough memory; this process is better replaced.
        """

        def over(kind: Saying, **data: Any) -> Said:
            return Said(kind=kind, job=task.job, tried=task.tried, data=data)

        try:
            return over("succeeded", **self._render(task, say, cancelled))
        except Cancelled:
            return over("cancelled")
        except KinemaError as error:
            return over("failed", code=_code(error), message=str(error))
        except Exception as error:
            if is_out_of_memory(error):
                raise OutOfMemory("There was not enough memory for this video.") from error
            raise

    def close(self) -> None:
        """Close all sessions and give their memory back."""
        while self._sessions:
            self._sessions.popitem()[1].close()
        _release()

    def _render(self, task: Task, say: Say, cancelled: Callable[[], bool]) -> dict[str, Any]:
        request, folder = task.request, Path(task.folder)
        photo = _photo(task.photo)
        motion = Motion.from_dict(request["motion"])
        sample = dict(request.get("sample") or {})
        session = self._session(task, sample.pop("solver", None))

        def advance(step: int, steps: int) -> None:
            told = {"step": step, "steps": steps}
            say(Said(kind="progress", job=task.job, tried=task.tried, data=told))

        def drawn(step: int, steps: int, name: str) -> None:
            told = {"step": step, "steps": steps, "name": name}
            say(Said(kind="picture", job=task.job, tried=task.tried, data=told))

        size = request.get("size")
        if size is None and motion.canvas[0] * motion.canvas[1] > MOST_PIXELS:
            size = session.native_size(motion, USUAL)
        if self._pictures is not None:
            observer = self._pictures
            observer.photo, observer.canvas = photo, motion.canvas
            observer.folder, observer.tell = folder, drawn
        video = session.animate(
            photo,
            motion,
            prompt=request.get("prompt") or "",
            negative_prompt=request.get("negative_prompt"),
            last_image=_photo(task.last_image) if task.last_image else None,
            references=[_photo(path) for path in task.references],
            plate=_photo(task.plate) if task.plate else None,
            size=tuple(size) if size is not None else None,
            frames=request.get("frames"),
            fps=request.get("fps"),
            seed=request.get("seed") or 0,
            sample=sample,
            on_progress=advance,
            cancel=cancelled,
        )
        return _written(video, folder, request.get("forms") or ["mp4"], photo)

    def _session(self, task: Task, solver: str | None) -> Session:
        """The session of these options, loaded unless it is there."""
        wanted = _session_options(task, solver)
        key = json.dumps(wanted, sort_keys=True)
        if key in self._sessions:
            self._sessions.move_to_end(key)
            return self._sessions[key]
        while len(self._sessions) >= self._most:
            # Before the next is loaded, since memory rarely holds both.
            _, old = self._sessions.popitem(last=False)
            old.close()
            del old
            _release()
        wanted.pop("conditions", None)
        session = Session(
            conditions=task.session.get("conditions") or None,
            plugins=self._plugins,
            events=[NAME] if self._pictures is not None else [],
            **wanted,
        )
        self._sessions[key] = session
        return session


def _session_options(task: Task, solver: str | None) -> dict[str, Any]:
    told = dict(task.session)
    sample = dict(told.get("sample") or {})
    if solver is not None:
        Plugins.installed().find(SOLVER, solver)
        sample["solver"] = solver
    return {
        "backbone": told["backbone"],
        "weights": told.get("weights") or None,
        "controller": told.get("controller") or None,
        "conditions": list(told.get("conditions") or ()),
        "controller_options": dict(told.get("controller_options") or {}),
        "condition_options": dict(told.get("condition_options") or {}),
        "depth": told.get("depth") or None,
        "depth_options": dict(told.get("depth_options") or {}),
        "device": told.get("device") or "auto",
        "dtype": told.get("dtype") or None,
        "sample": sample,
        "options": {**(told.get("options") or {}), **(task.request.get("options") or {})},
    }


def _photo(path: str) -> Photo:
    """A photo whose manifest does not say where this server keeps it."""
    photo = read_photo(Path(path))
    return attrs.evolve(photo, path=Path(path).name)


def _written(video: Video, folder: Path, forms: list[str], photo: Photo) -> dict[str, Any]:
    for form in forms:
        video.save(folder / f"video.{form}", manifest=False)
    manifest = video.manifest
    assert manifest is not None  # it was made just now
    manifest.save(folder / "manifest.json")
    return {
        "size": list(video.size),
        "frames": len(video.frames),
        "fps": video.fps,
        "forms": {form: (folder / f"video.{form}").stat().st_size for form in forms},
        "notes": list(dict.fromkeys((*photo.notes, *manifest.notes))),
        "frames_sha256": manifest.frames_sha256,
    }


def _code(error: KinemaError) -> str:
    """How the wire calls an error."""
    kinds: dict[type[KinemaError], str] = {
        MotionError: "motion",
        WeightsError: "weights",
        InputError: "input",
        PluginError: "plugin",
    }
    return next((name for kind, name in kinds.items() if isinstance(error, kind)), "failed")


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that memory is short, on a GPU or not."""
    return (
        isinstance(error, MemoryError)
        or type(error).__name__ == "OutOfMemoryError"
        or (isinstance(error, RuntimeError) and "allocate memory" in str(error))
    )


def _release() -> None:
    """Give memory of what was closed back to the device."""
    import gc

    import torch

    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
