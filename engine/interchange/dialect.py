"""Records of effects in forms that pharmpy's grammar lacks, written out in those it has (NONMEM 7.4 and 7.5)."""

import re
from collections.abc import Callable, Iterator

_REPEATED = re.compile(r"(\([^()]*\))\s*[xX](\d+)")
_SAME_VALUES = re.compile(r"\bBLOCK\s*\(\s*(\d+)\s*\)([^;(]*?)\bVALUES\s*\(\s*([^,()\s]+)\s*,\s*([^,()\s]+)\s*\)", re.I)
_LABEL = re.compile(r"(?<![\w.])([A-Za-z]\w*)\s*=\s*(?=[-+.(\d])")
_BLOCK = re.compile(r"\bBLOCK\s*\(\s*(\d+)\s*\)", re.I)
_VALUE = re.compile(r"\([^()]*\)|(?<![\w.(])[-+]?(?:\d+\.?\d*|\.\d+)(?:[eEdD][+-]?\d+)?(?![\w.])")
_MOST = 1000
"""No record has more effects than this."""


def spelled(text: str) -> tuple[str, dict[str, int]]:
    """Write a $THETA, $OMEGA or $SIGMA record without repetitions, VALUES and labels.

    Returns
    -------
    The text, and the number among the record's effects that each label (``CL=0.3``) stands for, from 0.
    """
    code = "\n".join(re.sub(r"\bUNINT\b", "", _written(line), flags=re.I) for line in text.split("\n"))
    labels = {match[1].upper(): number for number, match in _labelled(code)}
    return "\n".join(_each(line, lambda part: _LABEL.sub("", part)) for line in code.split("\n")), labels


def _written(line: str) -> str:
    return _each(_each(line, lambda part: _SAME_VALUES.sub(_triangle, part)), lambda part: _REPEATED.sub(_repeat, part))


def _each(line: str, change: Callable[[str], str]) -> str:
    """Change a line up to its comment."""
    code, sign, comment = line.partition(";")
    return f"{change(code)}{sign}{comment}"


def _repeat(match: re.Match[str]) -> str:
    return " ".join([match[1]] * min(int(match[2]), _MOST))


def _triangle(match: re.Match[str]) -> str:
    """``BLOCK(2) VALUES(a, b)`` is the triangle a b a."""
    size = min(int(match[1]), _MOST)
    rows = (" ".join([match[4]] * row + [match[3]]) for row in range(size))
    return f"BLOCK({size}){match[2]} " + " ".join(rows)


def _labelled(code: str) -> Iterator[tuple[int, re.Match[str]]]:
    """Labels of a record with the number of the effect behind each."""
    plain = "\n".join(line.partition(";")[0] for line in code.split("\n"))
    block = _BLOCK.search(plain)
    start = block.end() if block else 0
    for match in _LABEL.finditer(plain):
        before = len(_VALUE.findall(_LABEL.sub(" ", plain[start : match.start()])))
        # On a triangle, the diagonal element of row k comes after k (k + 3) / 2 others.
        row = next((k for k in range(before + 1) if k * (k + 3) // 2 >= before), 0) if block else before
        yield row, match
