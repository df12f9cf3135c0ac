"""The snippet of "Run the paper's tables on your GPU"."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

pytestmark = pytest.mark.all_packages


def test_the_steps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    item = Path("MC-Bench/object_control/1")
    item.mkdir(parents=True)
    coarse = np.random.default_rng(0).integers(0, 256, (6, 8, 3), dtype=np.uint8)
    Image.fromarray(coarse).resize((64, 48)).save(item / "first_frame.png")
    (item / "meta_data.json").write_text('{"traj_key_points": [[[20, 20], [30, 25]]]}')
    # fmt: off
    # --8<-- [start:suite]
    import kinema
    from kinema.evaluation import BackboneModel, beside
    from kinema_apps.suites import suite_of, table

    suite = suite_of("table-3")
    model = BackboneModel(backbone="preview", name="motionpro")  # yours: "svd", and its session
    wanted = suite.asks("MC-Bench") | {"metrics": ["md-vid[dis]"]}
    found = kinema.evaluate(models=model, out="table-3", **wanted)

    print(table(suite, found))
    for cell in beside(found, found.published[0]):
        print(cell.method, cell.metric, cell.published, *cell.here)
    # --8<-- [end:suite]
    # fmt: on
    assert found.published == suite.published
    cells = {(cell.method, cell.metric): cell for cell in beside(found, found.published[0])}
    assert cells["motionpro", "MD-Vid"].published == 8.59
    assert cells["motionpro", "MD-Vid"].here[0].value is not None
    assert cells["draganything", "MD-Vid"].here == ()
