"""Making a video again from its manifest."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import attrs

from kinema.errors import InputError
from kinema.files import sha256_of_file
from kinema.media.manifest import FIRST_FORMAT, Manifest
from kinema.media.photo import Photo, read_photo
from kinema.media.video import Video, check_bound
from kinema.motion.motion import Motion
from kinema.offers import BACKBONE
from kinema.plugins import Plugins
from kinema.session.building import CONTROL, OWN, control_role
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
        InputError: a photo is absent or another one, a recorded file changed, or the output beside
            the manifest is not the one that it tells of.
    """
    if not isinstance(manifest, Manifest):
        check_bound(manifest)
    record = manifest if isinstance(manifest, Manifest) else Manifest.load(manifest)
    source = _recorded_photo(record.photo, "photo", photo)
    last = _recorded_photo(record.last_image, "last image") if record.last_image else None
    plate = _recorded_photo(record.plate, "plate") if record.plate else None
    with _session(record, plugins or Plugins.installed()) as session:
        return session.animate(
            source,
            Motion.from_dict(dict(record.motion)),
            prompt=record.prompt,
            negative_prompt=record.negative_prompt,
            last_image=last,
            references=[_recorded_photo(each, "reference") for each in record.references],
            plate=plate,
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
    changed = ["the frames differ"]
    if recorded.format != repeated.format:
        changed.append(
            f"the draw of random numbers has changed: {recorded.format} then, {repeated.format} "
            "now, so a seed means other noise"
        )
    for then, now in (
        (recorded.environment, repeated.environment),
        (recorded.choices, repeated.choices),
    ):
        changed += [
            f"{name}: {then.get(name, 'absent')!s} then, {now.get(name, 'absent')!s} now"
            for name in sorted({*then, *now})
            if then.get(name) != now.get(name)
        ]
    return changed


def _recorded_photo(entry: Mapping[str, str], what: str, given: Any = None) -> Photo:
    path = entry.get("path", "")
    if given is None and (not path or not Path(path).is_file()):
        raise InputError(
            f"The manifest's {what} {path or '(it came from memory)'} is not there; pass the "
            f"{what} along."
        )
    source = read_photo(path if given is None else given)
    if source.sha256 != entry.get("sha256"):
        raise InputError(
            f"The {what} {source.path or '(from memory)'} is not the one of the manifest: its "
            f"sha256 is {source.sha256[:12]}..., recorded is {entry.get('sha256', '')[:12]}...."
        )
    return source


def _session(record: Manifest, plugins: Plugins) -> Session:
    for path, digest in record.files.items():
        # Masks are embedded, so one that is gone does not matter; one that changed does.
        if Path(path).is_file() and sha256_of_file(Path(path)) != digest:
            raise InputError(f"The file {path!r} has changed since the manifest was written.")
    _check_offers(record.offers)
    try:
        [backbone] = record.offers["backbone"]
        controllers = list(record.offers.get("controller", []))
        [depth] = record.offers.get("depth estimator") or [None]
        [solver] = record.offers.get("solver") or [None]
        control = [each["name"] for each in record.offers.get(CONTROL, [])]
        roles = [CONTROL, *(control_role(place) for place in range(1, len(controllers)))]
        told = [each for role in (OWN, *roles) for each in record.offers.get(role, [])]
        chosen = {_chosen(each): each["config"] for each in controllers}
        options = dict(backbone["config"])
        options |= {key: value for key, value in record.choices.items() if key in options}
        name = backbone["name"]
    except (KeyError, ValueError, TypeError) as error:
        raise InputError(f"The manifest's offers cannot be read: {error!r}.") from None
    return Session(
        name,
        controller=list(chosen),
        controller_options=chosen if len(chosen) > 1 else next(iter(chosen.values()), None),
        conditions=(control or None) if len(chosen) < 2 else None,
        condition_options={each["name"]: each["config"] for each in told},
        depth=depth and depth["name"],
        depth_options=depth and depth["config"],
        device=options.get("device", "auto"),
        sample=_sample(record, plugins, name),
        solver_options=solver and solver["config"],
        options=options,
        plugins=plugins,
    )


def _chosen(controller: Mapping[str, Any]) -> str:
    return str(controller["config"].get("weights") or controller["name"])


def _check_offers(offers: Mapping[str, Any]) -> None:
    """Look at the types of what a manifest says of the offers.

    Raises:
        InputError: an entry is not a name with a config.
    """
    for role, entries in offers.items():
        for entry in entries if isinstance(entries, list | tuple) else [None]:
            if (
                not isinstance(entry, Mapping)
                or not isinstance(entry.get("name"), str)
                or not isinstance(entry.get("config"), Mapping)
            ):
                raise InputError(
                    f"The manifest's offers cannot be read: {role} must be a list of names with "
                    f"their configs, got {entries!r:.60}."
                )


def _sample(record: Manifest, plugins: Plugins, backbone: str) -> dict[str, Any]:
    recorded = dict(record.sample)
    if record.format != FIRST_FORMAT:
        return recorded
    # That form recorded one config for all backbones, whatever they read of it.
    recorded["solver"] = recorded.pop("sampler", "euler")
    offer = plugins.find(BACKBONE, backbone).offer
    known = {field.name for field in attrs.fields(offer.sample)}
    return {key: value for key, value in recorded.items() if key in known}
