"""Field checks of the frozen dataclasses: each coerces its value or names the field, what it got, what it wanted.

Coercion is part of the check: ``n: 24`` and ``n: 24.0`` must be one object with one digest.
"""

import difflib
import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from numbers import Real
from typing import Any

from trials.errors import TrialError

Check = Callable[[str, Any], Any]


def fields(spec: object, group: str, **checks: Check) -> None:
    """Check and coerce fields of a frozen dataclass in its ``__post_init__``.

    Parameters
    ----------
    spec
        The instance under construction.
    group
        What the user calls it (``design``, ``analysis``): the first half of the field's name in a message.
    checks
        A check for each field.

    Raises
    ------
    TrialError
        Naming ``group.field`` at the first field that does not hold.
    """
    for field, check in checks.items():
        object.__setattr__(spec, field, check(f"{group}.{field}", getattr(spec, field)))


def refuse(where: str, got: object, wanted: str) -> TrialError:
    """Return the error of one field, in the words every message uses."""
    return TrialError(f"{where}: got {got!r}, wanted {wanted}")


@dataclass(frozen=True, slots=True)
class Number:
    """A finite number within bounds; open bounds are ``above``/``below``, closed ones ``least``/``most``."""

    above: float = -math.inf
    below: float = math.inf
    least: float = -math.inf
    most: float = math.inf

    def __call__(self, where: str, value: object) -> float:
        """Return the value as a float."""
        number = float(value) if isinstance(value, Real) and not isinstance(value, bool) else math.nan
        if not (math.isfinite(number) and self.above < number < self.below and self.least <= number <= self.most):
            raise refuse(where, value, f"a number{self._bounds()}")
        return number

    def _bounds(self) -> str:
        left = f"({self.above:g}" if self.above >= self.least else f"[{self.least:g}"
        right = f"{self.below:g})" if self.below <= self.most else f"{self.most:g}]"
        return "" if (left, right) == ("(-inf", "inf)") else f" in {left}, {right}"


@dataclass(frozen=True, slots=True)
class Whole:
    """A whole number not below ``least``; 24.0 counts as 24."""

    least: int = 0

    def __call__(self, where: str, value: object) -> int:
        """Return the value as an int."""
        number = float(value) if isinstance(value, Real) and not isinstance(value, bool) else math.nan
        if not (math.isfinite(number) and number == int(number) and number >= self.least):
            raise refuse(where, value, f"a whole number of {self.least} or more")
        return int(number)


@dataclass(frozen=True, slots=True)
class Choice:
    """One of a few words."""

    options: tuple[str, ...]

    def __call__(self, where: str, value: object) -> str:
        """Return the word."""
        if value not in self.options:
            near = difflib.get_close_matches(str(value), self.options, n=1)
            hint = f" (did you mean {near[0]!r}?)" if near else ""
            raise refuse(where, value, f"one of {', '.join(self.options)}{hint}")
        return str(value)


@dataclass(frozen=True, slots=True)
class Labels:
    """A tuple of distinct names; a list, as YAML gives it, is taken too."""

    least: int = 0

    def __call__(self, where: str, value: object) -> tuple[str, ...]:
        """Return the names as a tuple."""
        if isinstance(value, str) or not isinstance(value, Iterable):
            raise refuse(where, value, "a list of names")
        names = tuple(label(where, name) for name in value)
        if len(names) < self.least or len(set(names)) != len(names):
            raise refuse(where, names, f"{self.least} or more distinct names")
        return names


@dataclass(frozen=True, slots=True)
class Optional:
    """A check that lets ``None`` pass."""

    check: Check

    def __call__(self, where: str, value: object) -> object:
        """Return ``None`` or what the inner check returns."""
        return None if value is None else self.check(where, value)


def label(where: str, value: object) -> str:
    """Return a name: text that is not empty."""
    if not isinstance(value, str) or not value.strip():
        raise refuse(where, value, "a name")
    return value


def flag(where: str, value: object) -> bool:
    """Return a truth value; 0 and 1 are refused, so that a number in the wrong field is noticed."""
    if not isinstance(value, bool):
        raise refuse(where, value, "true or false")
    return value


def ratio(where: str, value: object) -> tuple[int, ...]:
    """Return an allocation ratio: whole numbers of 1 or more in lowest terms, so 2:2 is 1:1."""
    if isinstance(value, str) or not isinstance(value, Iterable):
        raise refuse(where, value, "a list of whole numbers, one an arm")
    parts = tuple(Whole(1)(where, part) for part in value)
    return tuple(part // math.gcd(*parts) for part in parts)
