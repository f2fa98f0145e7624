"""Distributions a run needs: those that this program asks for, and those that they ask for, as they are installed."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib.metadata import Distribution, PackageNotFoundError, distribution

ROOT = "trialtwin"
_REQUIREMENT = re.compile(r"\s*([A-Za-z0-9._-]+)\s*(?:\[([^\]]*)\])?[^;]*(?:;(.*))?")
_EXTRA = re.compile(r"extra\s*==\s*['\"]([^'\"]+)['\"]")


@dataclass(frozen=True, slots=True)
class Installed:
    """A distribution: name in its canonical form, version, licence as it states it, and names of what it needs."""

    name: str
    version: str
    licence: str
    summary: str
    needs: tuple[str, ...]


@cache
def installed() -> tuple[Installed, ...]:
    """Every distribution that this program needs, itself first, the others by name.

    What an extra needs counts where somebody asks for that extra; what is not installed (it is for another system or
    another Python) is left out.
    """
    found: dict[str, Installed] = {}
    waiting = [(ROOT, frozenset[str]())]
    seen = set(waiting)
    while waiting:
        name, extras = waiting.pop()
        try:
            about = distribution(name)
        except PackageNotFoundError:
            continue
        wanted = list(_needs(about, extras))
        before = found[name].needs if name in found else ()
        needs = tuple(sorted({*before, *(need for need, _ in wanted)}))
        found[name] = Installed(name, about.version, _licence(about), about.metadata.get("Summary") or "", needs)
        fresh = [one for one in wanted if one not in seen]
        seen.update(fresh)
        waiting += fresh
    ordered = sorted(found.values(), key=lambda one: (one.name != ROOT, one.name))
    return tuple(_within(one, found) for one in ordered)


def _within(one: Installed, found: dict[str, Installed]) -> Installed:
    return Installed(
        one.name, one.version, one.licence, one.summary, tuple(need for need in one.needs if need in found)
    )


def _needs(about: Distribution, extras: frozenset[str]) -> Iterator[tuple[str, frozenset[str]]]:
    """Names and extras of what a distribution asks for here."""
    for text in about.requires or []:
        name, inner, marker = (part or "" for part in _match(text).groups())
        optional = set(_EXTRA.findall(marker))
        if not optional or optional & extras:
            yield _canonical(name), frozenset(word.strip() for word in inner.split(",") if word.strip())


def _match(text: str) -> re.Match[str]:
    found = _REQUIREMENT.match(text)
    assert found is not None, f"a requirement begins with a name: {text!r}"
    return found


def _canonical(name: str) -> str:
    """Name of a distribution as PEP 503 compares them."""
    return re.sub(r"[-_.]+", "-", name).lower()


def _licence(about: Distribution) -> str:
    """Licence: the SPDX expression, or else the classifiers, or else the first line of what it says."""
    stated = about.metadata.get("License-Expression")
    classes = [
        text.rpartition(" :: ")[2] for text in about.metadata.get_all("Classifier") or [] if text.startswith("License")
    ]
    said = (about.metadata.get("License") or "").strip().splitlines()
    return stated or ", ".join(classes) or (said[0][:100] if said else "")
