"""Weight files that offers name: where they are, and how to fetch them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import attrs

from kinema.errors import InputError, WeightsError, suggestion
from kinema.found import Found
from kinema.offers import Offer, WeightFile
from kinema.plugins import Plugins


@attrs.frozen
class State:
    """One file and what is known of it here.

    Attributes:
        file: as its offer records it.
        path: where it lies, or None.
        fault: why the file there cannot be the recorded one; empty if nothing speaks against it.
    """

    file: WeightFile
    path: Path | None
    fault: str = ""


def offers_with_weights(plugins: Plugins) -> list[Found[Offer]]:
    """Every installed offer that needs weights."""
    return [item for item in plugins.all() if item.offer.weights]


def find_offer(plugins: Plugins, name: str) -> Found[Offer]:
    """The offer of that name that needs weights.

    Raises:
        InputError: there is none.
    """
    found = {item.offer.name: item for item in offers_with_weights(plugins)}
    if name not in found:
        raise InputError(
            f"No installed offer called {name!r} needs weights.{suggestion(name, found)} "
            f"Choose one of: {', '.join(found) or 'none'}."
        )
    return found[name]


def size_of(file: WeightFile) -> str:
    """The recorded size in words."""
    if not file.bytes:
        return "unknown size"
    if file.bytes < 1e6:
        return f"{file.bytes / 1e3:.3f} kB"
    return f"{file.bytes / 1e9:.2f} GB"


def in_cache(file: WeightFile) -> Path | None:
    """Where the local hub cache holds the file, or None. Never asks the network."""
    from huggingface_hub import try_to_load_from_cache
    from huggingface_hub.errors import HFValidationError

    try:
        found = try_to_load_from_cache(file.hub, file.path)
    except (HFValidationError, ValueError):
        return None
    return Path(found) if isinstance(found, str) else None


def states(
    item: Found[Offer], folder: Path | None = None, *, deep: bool = False
) -> Iterator[State]:
    """Each file of an offer: in ``folder`` if given, else in the local hub cache.

    Args:
        deep: also compare the sha256, which reads the whole file.
    """
    for file in item.offer.weights:
        if "*" in file.path:
            yield State(file, _first_match(file, folder))
            continue
        path = in_cache(file) if folder is None else folder / file.path
        if path is None or not path.is_file():
            yield State(file, None)
        else:
            yield State(file, path, _fault(file, path, deep))


def _first_match(file: WeightFile, folder: Path | None) -> Path | None:
    """The first file of a pattern such as ``transformer/*.safetensors``, or None."""
    if folder is None:
        from huggingface_hub import snapshot_download
        from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError

        try:
            folder = Path(snapshot_download(file.hub, local_files_only=True))
        except (LocalEntryNotFoundError, HFValidationError):
            return None
    return next(iter(sorted(folder.glob(file.path))), None)


def _fault(file: WeightFile, path: Path, deep: bool) -> str:
    size = path.stat().st_size
    if file.bytes and size != file.bytes:
        return f"has {size} bytes, {file.bytes} are recorded; is the download complete?"
    if not (deep and file.sha256):
        return ""
    with path.open("rb") as opened:
        digest = hashlib.file_digest(opened, "sha256").hexdigest()
    return "" if digest == file.sha256 else f"has the sha256 {digest}, {file.sha256} is recorded"


def fetch(item: Found[Offer], folder: Path | None) -> list[Path]:
    """Download an offer's files, and the small configs beside them; returns where each went.

    Args:
        folder: where to; None fills the local hub cache.

    Raises:
        WeightsError: the hub refuses or cannot be reached, or a file lies elsewhere.
    """
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import (
        HfHubHTTPError,
        HFValidationError,
        LocalEntryNotFoundError,
    )
    from huggingface_hub.utils import validate_repo_id  # type: ignore[attr-defined]

    folders = []
    for file in item.offer.weights:
        try:
            validate_repo_id(file.hub)
        except HFValidationError:
            raise WeightsError(
                f"{file.path} is not on the Hugging Face hub but at: {file.hub} (licence "
                f"{file.licence}). Fetch it yourself, and name it with the option 'path'."
            ) from None
    for hub in dict.fromkeys(file.hub for file in item.offer.weights):
        wanted = [file.path for file in item.offer.weights if file.hub == hub]
        try:
            found = snapshot_download(
                hub, allow_patterns=[*wanted, "*.json", "*/*.json"], local_dir=folder
            )
        except (HfHubHTTPError, LocalEntryNotFoundError, OSError) as error:
            reason = str(error).strip().splitlines()[0]
            raise WeightsError(
                f"{', '.join(wanted)} of {hub} could not be fetched: {reason} "
                "Some models ask you to log in and accept their licence first."
            ) from None
        folders.append(Path(found))
    return folders
