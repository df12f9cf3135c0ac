"""What the package offers, and what listing it costs."""

from __future__ import annotations

import subprocess
import sys

import attrs
import pytest

from kinema.offers import BENCHMARK, CLIP_SOURCE, CONDITION, DEPTH_ESTIMATOR, TRACKER
from kinema.plugins import Plugins

OWN = [f for f in Plugins.installed().all() if f.source.distribution == "kinema-conditions"]


def test_it_offers_five_kinds() -> None:
    kinds = {BENCHMARK, CLIP_SOURCE, CONDITION, DEPTH_ESTIMATOR, TRACKER}
    assert {found.kind for found in OWN} == kinds


def test_listing_its_offers_loads_no_array_library() -> None:
    code = (
        "import sys\n"
        "from kinema.plugins import Plugins\n"
        "offers = Plugins.installed().all('condition')\n"
        "assert offers\n"
        "assert all(found.offer.config() for found in offers)\n"
        "print([n for n in ('torch', 'numpy', 'kornia', 'scipy', 'cv2') if n in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("found", OWN, ids=lambda found: found.offer.name)
def test_configs_are_frozen_and_every_field_has_a_default(found: object) -> None:
    config = found.offer.config  # type: ignore[attr-defined]
    made = config()
    for field in attrs.fields(config):
        assert field.default is not attrs.NOTHING
        with pytest.raises(attrs.exceptions.FrozenInstanceError):
            setattr(made, field.name, None)


def test_the_weights_of_zoedepth_are_on_record() -> None:
    offer = Plugins.installed().find("depth estimator", "zoedepth").offer
    [record] = offer.weights
    assert (record.hub, record.path, record.licence) == (
        "Intel/zoedepth-nyu",
        "model.safetensors",
        "MIT",
    )
    assert record.bytes == pytest.approx(1.38e9)


def test_importing_every_module_does_not_import_kornia() -> None:
    code = (
        "import importlib, pkgutil, sys\n"
        "import kinema_conditions as room\n"
        "for found in pkgutil.walk_packages(room.__path__, 'kinema_conditions.'):\n"
        "    importlib.import_module(found.name)\n"
        "print('kornia' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
