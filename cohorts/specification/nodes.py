"""One mapping of a YAML file at a time, with messages that name the field."""

import math
from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any

from cohorts.errors import PopulationError
from cohorts.specification.defaults import DEFAULTS
from cohorts.specification.quantities import FAMILIES, Quantity, check


def guess(got: str, known: list[str]) -> str:
    """Half a sentence with the nearest known word; empty when none is near."""
    near = get_close_matches(got, known, n=1)
    return f"; did you mean {near[0]!r}?" if near else ""


class Node:
    """A mapping in the file with the path that leads to it, so that a message can name the field."""

    __slots__ = ("value", "where")

    def __init__(self, where: str, value: object) -> None:
        if not isinstance(value, Mapping):
            raise PopulationError(f"{where}: got {value!r}, wanted a mapping")
        if odd := [k for k in value if isinstance(k, bool) or k is None]:
            raise PopulationError(f"{where}: got the key {odd[0]!r}; put words such as yes, no and null in quotes")
        self.where = where
        self.value: Mapping[str, Any] = {str(k): v for k, v in value.items()}

    def path(self, key: str) -> str:
        """Full name of a field."""
        return f"{self.where}.{key}" if self.where else key

    def only(self, *known: str) -> "Node":
        """Refuse keys that mean nothing here."""
        for key in self.value:
            if key not in known:
                raise PopulationError(
                    f"{self.path(key)}: unknown key; known are {list(known)}{guess(key, list(known))}"
                )
        return self

    def need(self, key: str) -> Any:
        """Value of a field that must be there."""
        if self.value.get(key) is None:
            raise PopulationError(f"{self.path(key)}: missing")
        return self.value[key]

    def text(self, key: str, default: str | None = None) -> str:
        """Text of a field; the default when it is absent."""
        found = self.value.get(key, default)
        if not isinstance(found, str | int | float) or not str(found).strip():
            raise PopulationError(f"{self.path(key)}: got {found!r}, wanted a text")
        return str(found)

    def optional(self, key: str) -> str:
        """Text of a field that may be absent (empty then)."""
        return self.text(key) if key in self.value else ""

    def number(self, key: str) -> float:
        """Number of a field."""
        return number(self.need(key), self.path(key))

    def inner(self, key: str) -> "Node":
        """A mapping inside this one; empty when absent."""
        return Node(self.path(key), self.value.get(key) or {})

    def choice(self, key: str, known: Mapping[str, Any], default: str | None = None) -> str:
        """One of several words."""
        got = self.text(key, default)
        if got not in known:
            raise PopulationError(
                f"{self.path(key)}: got {got!r}, wanted one of {list(known)}{guess(got, list(known))}"
            )
        return got

    def named(self) -> list["Node"]:
        """Mappings under this one, each with its own path."""
        return [Node(self.path(k), v) for k, v in self.value.items()]

    @property
    def name(self) -> str:
        """Last part of the path."""
        return self.where.rsplit(".", 1)[-1]


def number(value: object, where: str) -> float:
    """Finite number, or a message that names the field."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise PopulationError(f"{where}: got {value!r}, wanted a finite number")
    return float(value)


def quantity(
    node: Node,
    key: str,
    source: str,
    support: tuple[float, float],
    *,
    beside: tuple[str, ...] = (),
    strict: bool = False,
    default: str = "",
) -> Quantity:
    """Number or distribution under a key.

    Parameters
    ----------
    node, key
        Where it is written.
    source
        Its source unless it names its own; empty for none.
    support
        Range that it must not be able to leave.
    beside
        Keys that may stand beside the distribution and are read elsewhere.
    strict
        Whether a fixed value must differ from the ends of `support`.
    default
        Row of `DEFAULTS` that the word ``default`` means here; empty for none.

    Raises
    ------
    PopulationError
        Naming the field, what it got and what it wanted.
    """
    where, written = node.path(key), node.value.get(key)
    if default and (written == "default" or (written is None and not DEFAULTS[default].written)):
        return check(DEFAULTS[default].quantity(), where, support, strict=strict)
    value = node.need(key)
    if not isinstance(value, Mapping):
        made = Quantity("fixed", (number(value, where),), source)
    else:
        inner = Node(where, value).only(*FAMILIES, "value", "lower", "upper", "source", *beside)
        families = [k for k in inner.value if k in FAMILIES or k == "value"]
        if len(families) != 1:
            raise PopulationError(f"{where}: got {families or 'no distribution'}, wanted one of {['value', *FAMILIES]}")
        made = _distribution(inner, families[0], inner.text("source", source or None))
    if not made.source:
        raise PopulationError(f"{where}: has no source; give one beside the number or for all of {node.where}")
    return check(made, where, support, strict=strict)


def _distribution(node: Node, family: str, source: str) -> Quantity:
    limits = {k: node.number(k) for k in ("lower", "upper") if k in node.value}
    if family in {"value", "fixed"}:
        if limits:
            raise PopulationError(f"{node.path(next(iter(limits)))}: a fixed value has no limits")
        return Quantity("fixed", (node.number(family),), source)
    numbers = Node(node.path(family), node.need(family)).only(*FAMILIES[family].fields)
    values = tuple(numbers.number(f) for f in FAMILIES[family].fields)
    return Quantity(family, values, source, **limits)


def probabilities(node: Node) -> tuple[float, ...]:
    """Probabilities, one a key, that sum to 1."""
    found = tuple(node.number(k) for k in node.value)
    for key, p in zip(node.value, found, strict=True):
        if not 0.0 <= p <= 1.0:
            raise PopulationError(f"{node.path(key)}: got {p!r}, wanted a probability from 0 to 1")
    if abs(sum(found) - 1.0) > 1e-9:
        raise PopulationError(f"{node.where}: probabilities sum to {sum(found):.10g}, wanted 1")
    return found
