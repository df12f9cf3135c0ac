"""What training on Wan needs on one GPU, counted without one.

    python benchmarks/wan_training_memory.py

Every network is built on torch's meta device, where tensors have shapes and no numbers; one step of
the recipes in ``examples/recipes`` runs there, forward and backward, with the code that trains. All
tensors of a step are counted at their worst moment, the weights and AdamW's state beside them, in
bfloat16 with float32 weights of what is trained, one clip at a time, latents and texts cached. What
an allocator wastes between tensors is not counted; leave a few GiB for it.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import attrs

from kinema.interfaces import Adaptation
from kinema_backbones.wan.training_memory import count_training

GIB = 2**30


@attrs.frozen(kw_only=True)
class Case:
    """A training that is counted; ``most`` is what it may need, in GiB."""

    model: str
    controller: str
    frames: int
    most: float | None = None
    targets: str = "all-linear"
    checkpointing: bool = True


CASES = {
    "5B, LoRA and modulation, 49 frames": Case(
        model="wan2.2-ti2v-5b", controller="modulation", frames=49, most=60
    ),
    "5B, LoRA and modulation, 121 frames": Case(
        model="wan2.2-ti2v-5b", controller="modulation", frames=121
    ),
    "5B, the first without recomputing": Case(
        model="wan2.2-ti2v-5b", controller="modulation", frames=49, checkpointing=False
    ),
    "14B (2.1), LoRA, 49 frames": Case(
        model="wan2.1-i2v-14b", controller="latent-splat", frames=49, most=75
    ),
    "14B (2.1), LoRA, 81 frames": Case(
        model="wan2.1-i2v-14b", controller="latent-splat", frames=81, most=75
    ),
    "A14B (2.2), LoRA on one expert, 49 frames": Case(
        model="wan2.2-i2v-a14b", controller="latent-splat", frames=49
    ),
}

SIZE, RANK = (832, 480), 32


def main(arguments: Sequence[str] | None = None) -> dict[str, Any]:
    """Count, print the table, and return what was counted."""
    options = _options(arguments)
    found = {name: count(CASES[name]) for name in CASES if not options.only or name in options.only}
    _say(f"One clip of {SIZE[0]}x{SIZE[1]}, LoRA of rank {RANK}, bfloat16, AdamW; GiB.\n")
    _say("| what | trained | weights | state | kept | work | together | at most |")
    _say("| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |")
    for name, made in found.items():
        parts = " | ".join(
            f"{made[key]:.1f}" for key in ("weights", "state", "kept", "work", "peak")
        )
        most = CASES[name].most
        _say(f"| {name} | {made['trained'] / 1e6:.0f} M | {parts} | {most or ''} |")
    if options.out:
        Path(options.out).write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    return found


def count(case: Case) -> dict[str, float]:
    """GiB of a case, and what is trained of it."""
    adaptation = Adaptation(
        targets="attention" if case.targets == "attention" else "all-linear",
        rank=RANK,
        checkpointing=case.checkpointing,
    )
    made = count_training(
        case.model,
        size=SIZE,
        frames=case.frames,
        adaptation=adaptation,
        controller=case.controller,
    )
    names = ("weights", "state", "kept", "work", "peak")
    return {
        **{name: getattr(made, name) / GIB for name in names},
        "trained": made.trained,
        "tera": made.operations / 1e12,
    }


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--only", nargs="*", choices=CASES, help="names of cases")
    parser.add_argument("--out", help="JSON file to write")
    return parser.parse_args(arguments)


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")


if __name__ == "__main__":
    main()
