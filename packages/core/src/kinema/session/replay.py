"""Making a video again from its manifest."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from kinema.config import SampleConfig, from_mapping
from kinema.errors import InputError
from kinema.files import sha256_of_file
from kinema.media.video import Video, read_photo
from kinema.motion.motion import Motion
from kinema.plugins import Plugins
from kinema.session.manifest import Manifest
from kinema.session.session import OnProgress, Session


def rerun(
    manifest: Manifest | str | os.PathLike[str],
    *,
    photo: Any = None,
    plugins: Plugins | None = None,
    on_progress: OnProgress | None = None,
) -> Video:
    """Make a video again, with every option and every run-time choice that its manifest records.

    On the same machine and versions the frames are equal: compare ``manifest.frames_sha256`` of
    both. What differs otherwise, :func:`differences` says.

    Args:
        photo: needed if the photo came from memory, or has moved.

    Raises:
        InputError: the photo is absent or another one, or a recorded file changed.
    """
    record = manifest if isinstance(manifest, Manifest) else Manifest.load(manifest)
    source = read_photo(_recorded_photo(record) if photo is None else photo)
    if source.sha256 != record.photo["sha256"]:
        raise InputError(
            f"The photo {source.path or '(from memory)'} is not the one of the manifest: its "
            f"sha256 is {source.sha256[:12]}..., recorded is {record.photo['sha256'][:12]}...."
        )
    with _session(record, plugins) as session:
        return session.animate(
            source,
            Motion.from_dict(dict(record.motion)),
            size=record.size,
            frames=record.frames,
            fps=record.fps,
            seed=record.seed,
            on_progress=on_progress,
        )


def differences(recorded: Manifest, repeated: Manifest) -> list[str]:
    """What differs between two runs of one manifest, in words; empty if the frames are equal."""
    if recorded.frames_sha256 == repeated.frames_sha256:
        return []
    names = sorted({*recorded.environment, *repeated.environment})
    changed = [
        f"{name}: {recorded.environment.get(name, 'absent')} then, "
        f"{repeated.environment.get(name, 'absent')} now"
        for name in names
        if recorded.environment.get(name) != repeated.environment.get(name)
    ]
    changed += [
        f"{name}: {recorded.choices.get(name)!r} then, {repeated.choices.get(name)!r} now"
        for name in sorted({*recorded.choices, *repeated.choices})
        if recorded.choices.get(name) != repeated.choices.get(name)
    ]
    return ["the frames differ", *changed]


def _recorded_photo(record: Manifest) -> str:
    path = record.photo.get("path", "")
    if not path or not Path(path).is_file():
        raise InputError(
            f"The manifest's photo {path or '(it came from memory)'} is not there; pass the photo "
            "along."
        )
    return path


def _session(record: Manifest, plugins: Plugins | None) -> Session:
    for path, digest in record.files.items():
        # Masks are embedded, so one that is gone does not matter; one that changed does.
        if Path(path).is_file() and sha256_of_file(Path(path)) != digest:
            raise InputError(f"The file {path!r} has changed since the manifest was written.")
    try:
        [backbone] = record.offers["backbone"]
        [controller] = record.offers.get("controller") or [None]
        [depth] = record.offers.get("depth estimator") or [None]
        roles = ("condition", "control condition")
        conditions = {c["name"]: c["config"] for role in roles for c in record.offers.get(role, [])}
        options = dict(backbone["config"])
        options |= {key: value for key, value in record.choices.items() if key in options}
    except (KeyError, ValueError, TypeError) as error:
        raise InputError(f"The manifest's offers cannot be read: {error!r}.") from None
    return Session(
        backbone["name"],
        controller=controller["config"].get("weights") or controller["name"] if controller else "",
        controller_options=controller and controller["config"],
        conditions=conditions,
        # The path of a network is the folder of its weights, only that of a file is a depth.
        depth=depth
        and (depth["config"]["path"] if depth["name"] == "depth-file" else depth["name"]),
        depth_options=depth and depth["config"],
        device=options.get("device", "auto"),
        sample=from_mapping(SampleConfig, dict(record.sample), "The manifest's sampling config"),
        options=options,
        plugins=plugins,
    )
