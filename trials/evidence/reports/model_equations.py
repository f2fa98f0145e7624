"""Equations of a model in blocks that fit a page."""

from __future__ import annotations

import re
from itertools import groupby
from typing import TYPE_CHECKING

from trials.evidence.reports.document import Equation

if TYPE_CHECKING:
    from engine import Model

LONGEST = 95
"""Symbols of a line from which on it is a block of its own, which is made to fit."""


def equations(model: Model) -> list[Equation]:
    """Blocks of aligned equations in the order of the model; what is too long for the page stands alone."""
    from engine.interchange import write_latex

    shown = ", ".join(f"{output.name.replace('_', ' ')} in {output.unit}" for output in model.outputs)
    alt = f"equations of the model {model.name}, whose outputs are {shown}"
    lines = [line.removesuffix(r" \\") for line in write_latex(model).replace(r"\,", r" \cdot ").split("\n")[1:-1]]
    blocks = [
        block
        for alone, group in groupby(lines, key=_long)
        for block in ([[line] for line in group] if alone else [list(group)])
    ]
    return [Equation(rf"\begin{{aligned}} {r' \\ '.join(block)} \end{{aligned}}", alt) for block in blocks]


def _long(line: str) -> bool:
    return len(re.sub(r"\\[a-z]+|[{}&\\ ]", "", line)) > LONGEST
