"""Draw the diagrams of the docs as SVG, which pages include: nothing is loaded from elsewhere.

``python tools/docs_diagrams.py`` writes them all; a test notices a stale one.
"""

from __future__ import annotations

from html import escape
from pathlib import Path

import attrs

FOLDER = Path(__file__).parents[1] / "docs" / "diagrams"

#: Pixels: a box, a line of its text, and from one box to the next.
WIDTH, HEIGHT, LINE = 176, 40, 18
ACROSS, DOWN = 236, 92
MARGIN = 12


@attrs.frozen
class Box:
    """A box at a column and a row (halves are fine); lines are split at ``|``."""

    text: str
    column: float
    row: float

    @property
    def lines(self) -> list[str]:
        """Of its text."""
        return self.text.split("|")

    @property
    def height(self) -> float:
        """In pixels."""
        return HEIGHT + LINE * (len(self.lines) - 1)

    @property
    def middle(self) -> tuple[float, float]:
        """In pixels."""
        return MARGIN + WIDTH / 2 + self.column * ACROSS, MARGIN + HEIGHT + self.row * DOWN

    def border(self, towards: tuple[float, float]) -> tuple[float, float]:
        """Where the line from its middle to a point leaves the box."""
        x, y = self.middle
        dx, dy = towards[0] - x, towards[1] - y
        reach = min(
            (WIDTH / 2 + 3) / abs(dx) if dx else 9.0, (self.height / 2 + 3) / abs(dy) if dy else 9.0
        )
        return x + dx * reach, y + dy * reach


@attrs.frozen
class Diagram:
    """Boxes by name, and arrows from one to another with a label."""

    title: str
    boxes: dict[str, Box]
    arrows: tuple[tuple[str, str, str], ...]

    def svg(self) -> str:
        """The picture; colours are those of the page."""
        right = max(box.middle[0] + WIDTH / 2 for box in self.boxes.values()) + MARGIN
        bottom = max(box.middle[1] + box.height / 2 for box in self.boxes.values()) + MARGIN
        parts = [
            # On a phone it is wider than the page, and slides in its frame.
            '<div class="diagram">',
            f'<svg xmlns="http://www.w3.org/2000/svg" role="img" '
            f'viewBox="0 0 {right:g} {bottom:g}" style="max-width: {right:g}px">',
            f"<title>{escape(self.title)}</title>",
            '<defs><marker id="tip" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="7" '
            'markerHeight="7" orient="auto-start-reverse"><path d="M0 0L10 5L0 10z"/></marker>'
            "</defs>",
        ]
        parts += [self._arrow(*arrow) for arrow in self.arrows]
        parts += [self._box(box) for box in self.boxes.values()]
        return "\n".join([*parts, "</svg>", "</div>"]) + "\n"

    def _arrow(self, source: str, target: str, label: str) -> str:
        first, second = self.boxes[source], self.boxes[target]
        (x1, y1), (x2, y2) = first.border(second.middle), second.border(first.middle)
        line = f'<path class="arrow" d="M{x1:.0f} {y1:.0f}L{x2:.0f} {y2:.0f}"/>'
        if not label:
            return line
        x, y = (x1 + x2) / 2, (y1 + y2) / 2 + (-6 if abs(y1 - y2) < 9 else 4)
        return f'{line}<text class="label" x="{x:.0f}" y="{y:.0f}">{escape(label)}</text>'

    def _box(self, box: Box) -> str:
        x, y = box.middle
        left, top = x - WIDTH / 2, y - box.height / 2
        first = y - LINE * (len(box.lines) - 1) / 2 + 5
        lines = "".join(
            f'<text x="{x:g}" y="{first + LINE * index:g}"'
            f"{' class=strong' if index == 0 and len(box.lines) > 1 else ''}>{escape(line)}</text>"
            for index, line in enumerate(box.lines)
        )
        place = f'x="{left:g}" y="{top:g}" width="{WIDTH}" height="{box.height:g}"'
        return f'<rect {place} rx="8"/>{lines}'


DIAGRAMS = {
    "house": Diagram(
        "The packages: three rooms and your plugin stand on the core",
        {
            "conditions": Box("kinema_conditions|motion signals, depth", 0, 0),
            "backbones": Box("kinema_backbones|video models, controllers", 1, 0),
            "apps": Box("kinema_apps|the command", 2, 0),
            "yours": Box("your plugin|whatever you offer", 3, 0),
            "core": Box("kinema|vocabulary, plugins, loops", 1.5, 1.2),
        },
        tuple((name, "core", "") for name in ("conditions", "backbones", "apps", "yours")),
    ),
    "sampling": Diagram(
        "The way of the data in sampling",
        {
            "motion": Box("Motion", 0, 0),
            "signal": Box("MotionSignal", 1, 0),
            "actions": Box("actions|one per site", 2, 0),
            "photo": Box("photo, text", 3, 0),
            "embed": Box("backbone.embed|once per video", 2.5, 1.2),
            "noise": Box("noise", 0, 2.4),
            "denoise": Box("backbone.denoise|all terms, at a level", 1, 2.4),
            "guide": Box("guidance|one clean prediction", 2, 2.4),
            "solver": Box("solver|to the next level", 3, 2.4),
            "decode": Box("backbone.decode", 2, 3.6),
            "video": Box("Video", 1, 3.6),
        },
        (
            ("motion", "signal", "condition"),
            ("signal", "actions", "controller"),
            ("actions", "embed", ""),
            ("photo", "embed", ""),
            ("embed", "denoise", ""),
            ("noise", "denoise", "start"),
            ("denoise", "guide", ""),
            ("guide", "solver", ""),
            ("solver", "decode", "after the last level"),
            ("decode", "video", ""),
        ),
    ),
    "faces": Diagram(
        "The two faces of a condition give one signal",
        {
            "clip": Box("real clip", 0, 0),
            "observation": Box("Observation", 1, 0),
            "person": Box("person", 0, 1),
            "motion": Box("Motion", 1, 1),
            "signal": Box("MotionSignal|same channels and units", 2.3, 0.5),
            "controller": Box("controller", 3.3, 0.5),
        },
        (
            ("clip", "observation", "tracker"),
            ("observation", "signal", "from_observation"),
            ("person", "motion", ""),
            ("motion", "signal", "from_motion"),
            ("signal", "controller", ""),
        ),
    ),
    "training": Diagram(
        "The way of the data in training",
        {
            "video": Box("video", 0, 0),
            "observation": Box("Observation", 1, 0),
            "signal": Box("MotionSignal", 2, 0),
            "actions": Box("actions|one per site", 3, 0),
            "latents": Box("latents + noise", 0, 1.2),
            "photo": Box("first frame, caption", 1.7, 1.2),
            "embed": Box("backbone.embed", 3, 1.2),
            "denoise": Box("backbone.denoise", 1.5, 2.4),
            "loss": Box("weighted squared error", 0.2, 2.4),
        },
        (
            ("video", "observation", "tracker"),
            ("observation", "signal", "condition"),
            ("signal", "actions", "controller"),
            ("video", "latents", "encode"),
            ("photo", "embed", ""),
            ("actions", "embed", ""),
            ("latents", "denoise", ""),
            ("embed", "denoise", ""),
            ("denoise", "loss", ""),
        ),
    ),
}


def stale() -> list[str]:
    """Names of the diagrams whose files are not what would be drawn."""
    return [
        name
        for name, diagram in DIAGRAMS.items()
        if not (FOLDER / f"{name}.svg").is_file()
        or (FOLDER / f"{name}.svg").read_text(encoding="utf-8") != diagram.svg()
    ]


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for name, diagram in DIAGRAMS.items():
        (FOLDER / f"{name}.svg").write_text(diagram.svg(), encoding="utf-8")
        print(f"Wrote {name}.svg")
