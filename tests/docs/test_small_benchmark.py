"""The benchmark of "Write a benchmark"."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import attrs
import numpy as np
import pytest
from PIL import Image

import kinema
from kinema.interfaces import BenchmarkItem, Case
from kinema.plugins import Plugins
from kinema.testing import BenchmarkContract


# --8<-- [start:class]
@attrs.frozen(kw_only=True)
class KitchenConfig:
    """Options of ``kitchen``."""

    folder: str = ""
    """Where the photos lie."""


class Kitchen:
    """The middle of every photo, dragged a tenth of its width to the right."""

    def __init__(self, config: KitchenConfig) -> None:
        self.folder = Path(config.folder)

    def items(self) -> Sequence[BenchmarkItem]:
        """Every photo of the folder."""
        photos = sorted(self.folder.glob("*.png"))
        if not photos:
            raise kinema.InputError(
                f"The benchmark 'kitchen' needs photos in {str(self.folder)!r}: fetch them from "
                "example.org/kitchen (12 MB, CC0) and put them there."
            )
        return [BenchmarkItem(key=path.stem, subset="all") for path in photos]

    def read(self, item: BenchmarkItem) -> Case:
        """The photo and its drag."""
        photo = kinema.read_photo(self.folder / f"{item.key}.png")
        x, y = photo.size[0] / 2, photo.size[1] / 2
        drag = kinema.Drag([(x, y), (1.2 * x, y)])
        motion = kinema.Motion(canvas=photo.size, drags=[drag], duration=1.0)
        return Case(photo=photo.pixels, motion=motion, size=photo.size, frames=8, fps=8.0)


# --8<-- [end:class]


# --8<-- [start:offer]
@kinema.hookimpl
def kinema_benchmarks() -> Iterator[kinema.offers.BenchmarkOffer]:
    yield kinema.offers.BenchmarkOffer(
        name="kitchen",
        summary="Photos of a kitchen with a drag each.",
        factory=Kitchen,
        config=KitchenConfig,
        metrics=("md-vid[dis]",),
    )


# --8<-- [end:offer]


def photos(folder: Path) -> Path:
    rng = np.random.default_rng(0)
    for name in ("sink", "stove"):
        pixels = rng.integers(0, 256, (6, 8, 3), dtype=np.uint8)
        Image.fromarray(pixels).resize((64, 48)).save(folder / f"{name}.png")
    return folder


# --8<-- [start:contract]
class TestKitchen(BenchmarkContract):
    @pytest.fixture(autouse=True)
    def data(self, tmp_path: Path) -> None:
        self.folder = photos(tmp_path)

    def make(self) -> Kitchen:
        return Kitchen(KitchenConfig(folder=str(self.folder)))


# --8<-- [end:contract]


@pytest.mark.all_packages
def test_it_is_run_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "photos").mkdir()
    photos(tmp_path / "photos")
    plugins = Plugins()
    plugins.load_entry_points()
    plugin = type("Plugin", (), {"kinema_benchmarks": staticmethod(kinema_benchmarks)})
    plugins.register(plugin, "mine")
    monkeypatch.setattr("kinema.plugins._installed", lambda: plugins)
    # fmt: off
    # --8<-- [start:run]
    import kinema
    from kinema.evaluation import StillModel

    found = kinema.evaluate("kitchen", ["preview", StillModel()], options={"folder": "photos"})
    print(found.markdown())
    print(found.value("md-vid[dis]", "preview", "all"))  # mean [low, high]
    # --8<-- [end:run]
    # fmt: on
    still = found.value("md-vid[dis]", "still", "all").value
    moved = found.value("md-vid[dis]", "preview", "all").value
    assert still is not None
    assert moved is not None
    assert moved < still / 3
