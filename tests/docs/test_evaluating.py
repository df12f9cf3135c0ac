"""The snippet of "Evaluate from Python"."""

from __future__ import annotations

from pathlib import Path

import pytest

pytestmark = pytest.mark.all_packages


def test_the_steps(desk: Path) -> None:
    # fmt: off
    # --8<-- [start:evaluate]
    import kinema
    from kinema.evaluation import evaluate

    motion = kinema.Motion(canvas=(96, 64), drags=[kinema.Drag([(48, 39), (48, 30)])])
    items = [("launch", "photo.jpg", motion)]  # name, photo, motion
    metric = kinema.Plugins.installed().build(kinema.offers.METRIC, "trajectory-distance")

    with kinema.Session("preview") as session:
        found = evaluate(
            lambda photo, motion, seed: session.animate(photo, motion, seed=seed),
            items,
            {"trajectory-distance": metric},
            seeds=range(2),
        )

    print(found.markdown())
    # --8<-- [end:evaluate]
    # fmt: on
    assert not found.failed
    assert found.summary["trajectory-distance"].count == 2
