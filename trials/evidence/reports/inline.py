"""Words in bold, code and plain type: the little markup that texts of documents may have."""

from __future__ import annotations

import re
from dataclasses import dataclass

_MARKED = re.compile(r"\*\*(?P<bold>.+?)\*\*|`(?P<code>[^`]+)`")

_PERCENT = re.compile(r"(?<=\d) %")


@dataclass(frozen=True, slots=True)
class Run:
    """Text of one type: plain, bold or code."""

    text: str
    kind: str = "plain"


def runs(text: str) -> tuple[Run, ...]:
    """Runs of a text with ``**bold**`` and `` `code` `` in it; a percent sign stays with its number."""
    text = _PERCENT.sub("\N{NO-BREAK SPACE}%", text).replace(" ±", "\N{NO-BREAK SPACE}±")
    found: list[Run] = []
    end = 0
    for match in _MARKED.finditer(text):
        found += [Run(text[end : match.start()])] if match.start() > end else []
        found.append(Run(match[match.lastgroup], match.lastgroup) if match.lastgroup else Run(match[0]))
        end = match.end()
    return (*found, Run(text[end:])) if end < len(text) else tuple(found)
