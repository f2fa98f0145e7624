"""Field checks of frozen dataclasses: each coerces its value, or names the field, what it got and what it wanted."""

import math
from collections.abc import Callable, Sequence
from numbers import Real
from typing import Any

from engine.errors import DataError

type Check = Callable[[str, Any], Any]


def check_fields(spec: object, **checks: Check) -> None:
    """Check and coerce fields of a frozen dataclass in its ``__post_init__``; DataError names class and field."""
    for field, check in checks.items():
        object.__setattr__(spec, field, check(f"{type(spec).__name__}.{field}", getattr(spec, field)))


def number(*, above: float = -math.inf, least: float = -math.inf, most: float = math.inf) -> Check:
    """Finite number above one bound or at least another, and at most a third."""

    def check(where: str, value: object) -> float:
        found = float(value) if isinstance(value, Real) and not isinstance(value, bool) else math.nan
        if not (math.isfinite(found) and found > above and least <= found <= most):
            bounds = [f"above {above:g}"] * (above > -math.inf) + [f"at least {least:g}"] * (least > -math.inf)
            bounds += [f"at most {most:g}"] * (most < math.inf)
            raise DataError(f"{where}: got {value!r}, wanted a number {' and '.join(bounds)}".rstrip())
        return found

    return check


def optional(inner: Check) -> Check:
    """Check that lets None pass."""
    return lambda where, value: None if value is None else inner(where, value)


def choice(options: Sequence[str]) -> Check:
    """One of a few words."""

    def check(where: str, value: object) -> str:
        if value not in options:
            from difflib import get_close_matches

            near = get_close_matches(str(value), options, n=1)
            hint = f" (did you mean {near[0]!r}?)" if near else ""
            raise DataError(f"{where}: got {value!r}, wanted one of {', '.join(options)}{hint}")
        return str(value)

    return check
