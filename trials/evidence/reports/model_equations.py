"""Equations of a model in blocks that fit a page."""

from __future__ import annotations

import math
import re
from itertools import groupby
from typing import TYPE_CHECKING

from trials.evidence.reports.document import Equation

if TYPE_CHECKING:
    from engine import Model

LONGEST = 70
"""Symbols of a line from which on it is broken at an operator that stands in no brackets."""
OPERATORS = ("+", "-", r"\cdot")


def equations(model: Model) -> list[Equation]:
    """Blocks of aligned equations in the order of the model; one too long for a line has several, by itself."""
    from engine.interchange import write_latex

    shown = ", ".join(f"{output.name.replace('_', ' ')} in {output.unit}" for output in model.outputs)
    alt = f"equations of the model {model.name}, whose outputs are {shown}"
    text = re.sub(r"(?<!\{d)\\,", r" \\cdot ", write_latex(model)).replace(str(math.pi), r"\pi")
    lines = [line.removesuffix(r" \\") for line in text.split("\n")[1:-1]]
    blocks = [
        block
        for alone, group in groupby(lines, key=lambda line: _length(line) > LONGEST)
        for block in ([_broken(line) for line in group] if alone else [list(group)])
    ]
    return [Equation(rf"\begin{{aligned}} {r' \\ '.join(block)} \end{{aligned}}", alt) for block in blocks]


def _length(line: str) -> int:
    """About how many symbols are seen of a line."""
    return len(re.sub(r"\\[a-z]+|[{}&\\ ]", "", line))


def _broken(line: str) -> list[str]:
    """An equation as lines under each other, broken before operators outside of all brackets."""
    left, _, right = line.partition("&=")
    parts, depth = [""], 0
    for word in right.split(" "):
        if depth == 0 and word in OPERATORS and _length(parts[-1]) > LONGEST - 25:
            parts.append("")
        parts[-1] += f" {word}"
        depth += word.count("{") + word.count(r"\left") - word.count("}") - word.count(r"\right")
    return [f"{left}&={parts[0]}", *(rf"&\quad{part}" for part in parts[1:])]
