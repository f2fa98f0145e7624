"""Regimens as people write them, and back.

A regimen is clauses between semicolons; a clause is an amount, ``into`` a state, and any of: ``at`` a time, ``over`` a
duration (or ``over model``), ``rate`` a rate (or ``rate model``), ``every`` an interval (``every 12 h``, ``every day``,
``daily``, ``weekly``), a number ``times``,
``at steady state`` (or ``adding steady state``). Commas and ``and`` may stand between them.
"""

import re
from typing import Any

from engine.dosing.regimen import MODELLED, Dose
from engine.errors import DosingError

_NUMBER = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?"
_UNIT = r"(?!(?:into|to|at|over|rate|every|times|and|adding)\b)[A-Za-z%µμ][\w%µμ/*^()]*"
_QUANTITY = rf"({_NUMBER}(?:\s*{_UNIT})?)"
_EVERY = {"hourly": "1 h", "daily": "1 day", "weekly": "1 week"}
_CLAUSES: dict[str, re.Pattern[str]] = {
    "steady_state": re.compile(r"(at|adding)\s+steady[\s-]+state\b"),
    "into": re.compile(r"(?:in)?to\s+([A-Za-z_]\w*)"),
    "at": re.compile(rf"at\s+{_QUANTITY}"),
    "duration": re.compile(rf"over\s+(?:{_QUANTITY}|({MODELLED})\b)"),
    "rate": re.compile(rf"(?:at\s+)?rate\s+(?:{_QUANTITY}|({MODELLED})\b)"),
    "every": re.compile(rf"every\s+{_QUANTITY}|every\s+({_UNIT})|({'|'.join(_EVERY)})\b"),
    "times": re.compile(r"(\d+)\s+times\b"),
}
_BETWEEN = re.compile(r"(?:[\s,]|and\b)*")
_AMOUNT = re.compile(_QUANTITY)


def read(text: str) -> list[Dose]:
    """Doses that ``text`` describes; DosingError showing what is not understood."""
    if not isinstance(text, str):
        raise DosingError(f"regimen: text is wanted, got {text!r}")
    clauses = [clause.strip() for clause in text.split(";")]
    if clauses == ["nothing"]:
        return []
    return [_dose(clause) for clause in clauses if clause]


def write(dose: Dose) -> str:
    """Describe a dose in words that :func:`read` reads back to an equal dose."""
    amount, time = f" {dose.unit}".rstrip(), f" {dose.time_unit}".rstrip()
    per = f" {dose.unit}/{dose.time_unit}" if dose.unit and dose.time_unit else ""
    parts = [f"{dose.amount!r}{amount} into {dose.into}"]
    parts += [f"at {dose.at!r}{time}"] if dose.at else []
    parts += [f"over {_value(dose.duration, time)}"] if dose.duration is not None else []
    parts += [f"rate {_value(dose.rate, per)}"] if dose.rate is not None else []
    parts += [f"every {dose.every!r}{time}"] if dose.every is not None else []
    parts += [f"{dose.times} times"] if dose.times > 1 else []
    parts += [("", "at steady state", "adding steady state")[dose.steady_state]] if dose.steady_state else []
    return ", ".join(parts).replace(".0 ", " ").replace(".0,", ",").removesuffix(".0")


def _value(value: float | str | None, unit: str) -> str:
    return str(value) if value == MODELLED else f"{value!r}{unit}"


def _dose(clause: str) -> Dose:
    amount = _AMOUNT.match(clause)
    if amount is None:
        raise DosingError(f"regimen: {clause!r} does not begin with an amount; write for instance '100 mg into depot'")
    found: dict[str, Any] = {"amount": _plain(amount[1])}
    position = _skip(clause, amount.end())
    while position < len(clause):
        name, value, position = _next(clause, position)
        if name in found:
            raise DosingError(f"regimen: {clause!r} says {name} twice")
        found[name] = value
    if "into" not in found:
        raise DosingError(f"regimen: {clause!r} does not say into which state; write 'into' and its name")
    return Dose(**found)


def _next(clause: str, position: int) -> tuple[str, Any, int]:
    for name, pattern in _CLAUSES.items():
        if match := pattern.match(clause, position):
            text = next(group for group in match.groups() if group)
            value: Any = text if name == "into" else _plain(text)
            value = _interval(text) if name == "every" else value
            value = {"at": 1, "adding": 2}[text] if name == "steady_state" else value
            return name, int(value) if name == "times" else value, _skip(clause, match.end())
    raise DosingError(
        f"regimen: {clause[position:]!r} in {clause!r} is not understood; "
        "known are: into, at, over, rate, every, 'N times', at steady state"
    )


def _interval(text: str) -> float | str:
    """Interval of ``24 h``, of ``day`` and of ``daily``."""
    return _plain(_EVERY.get(text, text if text[0] in "-+.0123456789" else f"1 {text}"))


def _plain(text: str) -> float | str:
    try:
        return float(text)
    except ValueError:
        return text


def _skip(clause: str, position: int) -> int:
    match = _BETWEEN.match(clause, position)
    return match.end() if match else position
