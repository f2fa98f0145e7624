"""Doses and regimens for people: what is given, into which state, when, and how fast.

NONMEM's rules hold, as :class:`engine.EventTable` has them. A dose by ``rate`` lasts (bioavailability x amount / rate);
a dose by ``duration`` keeps its duration, and its rate carries the bioavailability. A lag delays a dose. At one time
infusions end first, then the doses come in their order, then samples are taken (before the doses with ``before_dose``).
A steady-state dose is the last one of an endless series given every ``every``; a sample at its time that is taken
before doses is the trough of that series.
"""

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, Final

from engine.dosing import quantity
from engine.errors import DosingError

MODELLED: Final = "model"
"""As a dose's ``rate`` or ``duration``: the one the model gives the state it goes into (RATE -1 and -2)."""


@dataclass(frozen=True, slots=True)
class Dose:
    """An amount given once or repeatedly.

    Parameters
    ----------
    amount
        How much, in the unit of the state it goes into, or text with a unit (``"100 mg"``).
    into
        Name of the state.
    at
        Time of the first dose, in the model's unit of time, or text with a unit (``"1.5 h"``); so all times below.
    every
        Interval between doses; wanted when ``times`` is more than 1 and at steady state.
    times
        How many doses, the first included.
    duration
        Length of an infusion, or ``"model"`` for the one the model gives that state. None: not by duration.
    rate
        Amount per time of an infusion, or ``"model"`` for the one the model gives that state. None: not by rate.
    steady_state
        0 (False): none. 1 (True): the first dose finds the steady state of its own series, and what was given before
        is gone, flowing or still lagging too. 2: that steady state is added to what is there, as
        :class:`engine.EventTable` says. The lag, and an infusion, may be longer than ``every``. With ``amount=0`` and
        a ``rate``: a constant infusion that has run forever and stops at ``at``.
    unit, time_unit
        Units of the numbers above; empty means those of the model. Text with units sets them.

    Raises
    ------
    DosingError
        Naming the field, what it got and what it wanted.
    """

    amount: float
    into: str
    at: float = 0.0
    every: float | None = None
    times: int = 1
    duration: float | str | None = None
    rate: float | str | None = None
    steady_state: int = 0
    unit: str = ""
    time_unit: str = ""

    def __post_init__(self) -> None:
        """Read texts with units, coerce numbers, and refuse what is no dose."""
        for name, value in _read(self).items():
            object.__setattr__(self, name, value)
        _check(self)

    @property
    def is_infusion(self) -> bool:
        """True when the dose takes time."""
        return self.rate is not None or self.duration is not None

    def to_dict(self) -> dict[str, Any]:
        """Plain data; fields at their default are left out."""
        full = {field.name: (getattr(self, field.name), field.default) for field in fields(self)}
        return {name: value for name, (value, default) in full.items() if value != default}

    def __str__(self) -> str:
        """Describe the dose in the words ``Regimen.parse`` reads."""
        from engine.dosing.text import write

        return write(self)


@dataclass(frozen=True, slots=True, init=False)
class Regimen:
    """Doses that one subject, or every subject of an arm, is given; none at all is a regimen too."""

    doses: tuple[Dose, ...]

    def __init__(self, *doses: Dose) -> None:
        for number, dose in enumerate(doses, start=1):
            if not isinstance(dose, Dose):
                raise DosingError(f"regimen: dose {number} is {dose!r}; a Dose is wanted")
        object.__setattr__(self, "doses", tuple(doses))

    @classmethod
    def parse(cls, text: str) -> "Regimen":
        """Read text such as ``100 mg into depot every 24 h, 28 times; 300 mg into central over 1 h``."""
        from engine.dosing.text import read

        return cls(*read(text))

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> "Regimen":
        """Read what :meth:`to_dict` gives."""
        if unknown := sorted(set(data) - {"doses"}):
            raise DosingError(f"regimen: unknown field {unknown[0]!r}; wanted: doses")
        return cls(*(_from_dict(number, dose) for number, dose in enumerate(data.get("doses", ()), start=1)))

    def to_dict(self) -> dict[str, Any]:
        """Plain data, a JSON round trip."""
        return {"doses": [dose.to_dict() for dose in self.doses]}

    @property
    def digest(self) -> str:
        """SHA-256 of the canonical JSON."""
        text = json.dumps(self.to_dict(), sort_keys=True, separators=(",", ":"), allow_nan=False)
        return hashlib.sha256(text.encode()).hexdigest()

    def scaled(self, factor: float) -> "Regimen":
        """Multiply every amount, and every rate given as a number: a dose per kilogram, half a regimen."""
        return Regimen(*(_scaled(dose, factor) for dose in self.doses))

    def __add__(self, other: "Regimen") -> "Regimen":
        """Give both: a loading dose and what follows it."""
        return Regimen(*self.doses, *other.doses)

    def __str__(self) -> str:
        """Describe the regimen in the words ``parse`` reads."""
        return "; ".join(map(str, self.doses)) or "nothing"


def in_units(dose: Dose, amount: str, time: str) -> Dose:
    """Give the same dose with its numbers in these units, ``unit`` and ``time_unit`` empty."""
    if not dose.unit and not dose.time_unit:
        return dose
    by_amount = quantity.factor(f"dose into {dose.into}: amount", dose.unit, amount) if dose.unit else 1.0
    by_time = quantity.factor(f"dose into {dose.into}: time", dose.time_unit, time) if dose.time_unit else 1.0
    scale = {"amount": by_amount, "at": by_time, "every": by_time, "duration": by_time, "rate": by_amount / by_time}
    values = {name: getattr(dose, name) for name in scale}
    changed: dict[str, Any] = {name: value * scale[name] for name, value in values.items() if isinstance(value, float)}
    return replace(dose, **changed, unit="", time_unit="")


def _scaled(dose: Dose, factor: float) -> Dose:
    rate = dose.rate * factor if isinstance(dose.rate, float) else dose.rate
    return replace(dose, amount=dose.amount * factor, rate=rate)


def _from_dict(number: int, data: Mapping[str, Any]) -> Dose:
    known = [field.name for field in fields(Dose)]
    if unknown := sorted(set(data) - set(known)):
        raise DosingError(f"regimen: dose {number}: unknown field {unknown[0]!r}; known: {', '.join(known)}")
    if missing := [name for name in ("amount", "into") if name not in data]:
        raise DosingError(f"regimen: dose {number}: {missing[0]} is missing")
    return Dose(**data)


_TIMES = ("at", "every", "duration")
_NUMBERS = ("amount", *_TIMES, "rate")


def _read(dose: Dose) -> dict[str, Any]:
    """Fields as numbers, with the units their texts name."""
    given = {name: getattr(dose, name) for name in _NUMBERS}
    written = {
        name: quantity.read(f"dose: {name}", value)
        for name, value in given.items()
        if isinstance(value, str) and not (value == MODELLED and name in ("duration", "rate"))
    }
    found: dict[str, Any] = {
        name: text.value if (text := written.get(name)) else _number(name, given[name]) for name in given
    }
    named = {name: text.unit for name, text in written.items() if text.unit}
    unit, time_unit = _units(dose, named)
    _refuse_bare(dose, found, named)
    wanted = {"amount": unit, "rate": f"{unit}/{time_unit}"}
    for name, own in named.items():
        found[name] *= quantity.factor(f"dose: {name}", own, wanted.get(name, time_unit))
    return {**found, "unit": unit, "time_unit": time_unit, "steady_state": _steady_state(dose), "times": _times(dose)}


def _units(dose: Dose, named: Mapping[str, str]) -> tuple[str, str]:
    """Units of amount and time: those of the fields ``unit`` and ``time_unit``, else the first that a text names."""
    amount, _, per = named.get("rate", "").rpartition("/")
    times = [named[name] for name in _TIMES if name in named]
    return dose.unit or named.get("amount", amount), dose.time_unit or (times[0] if times else per)


def _refuse_bare(dose: Dose, found: Mapping[str, Any], named: Mapping[str, str]) -> None:
    """Refuse a bare number beside a text with a unit, when no field says which unit it is in."""
    beside = {name: [other for other in (*_TIMES, "rate") if other in named] for name in _TIMES}
    beside |= {"amount": ["rate"] if "rate" in named else [], "rate": list(named)}
    told = {"amount": dose.unit, "rate": dose.unit and dose.time_unit}
    for name, others in beside.items():
        bare = isinstance(found[name], float) and found[name] != 0 and name not in named
        if bare and others and not told.get(name, dose.time_unit):
            raise DosingError(f"dose: {name} is {found[name]:g} without a unit, but {others[0]} has one; write both so")


def _number(name: str, value: Any) -> float | str | None:
    if (value is None and name in ("every", "duration", "rate")) or value == MODELLED:
        return MODELLED if value == MODELLED else None
    if isinstance(value, bool) or (not isinstance(value, int | float) and not hasattr(value, "__float__")):
        raise DosingError(f"dose: {name} is {value!r}; a number is wanted, or text with a unit")
    return float(value)


def _steady_state(dose: Dose) -> int:
    if dose.steady_state not in (0, 1, 2):
        raise DosingError(f"dose: steady_state is {dose.steady_state!r}; 0 (no), 1 (replace) or 2 (add) is wanted")
    return int(dose.steady_state)


def _times(dose: Dose) -> int:
    whole = isinstance(dose.times, int | float) and not isinstance(dose.times, bool) and dose.times % 1 == 0
    if not whole or not 1 <= dose.times < 2**53:
        raise DosingError(f"dose: times is {dose.times!r}; how many doses, 1 or more, is wanted")
    return int(dose.times)


def _check(dose: Dose) -> None:
    for name in _NUMBERS:
        value = getattr(dose, name)
        low = {"amount": 0.0, "at": -math.inf}.get(name)
        if not isinstance(value, float):
            continue
        if not math.isfinite(value) or (value <= 0 if low is None else value < low):
            wanted = "a finite number" + {"amount": ", 0 or more,", "at": ""}.get(name, " above 0")
            raise DosingError(f"dose: {name} is {value:g}; {wanted} is wanted")
    if not isinstance(dose.into, str) or not dose.into:
        raise DosingError(f"dose: into is {dose.into!r}; the name of a state is wanted")
    if dose.rate is not None and dose.duration is not None:
        raise DosingError(f"dose: rate is {dose.rate} and duration is {dose.duration}; give one of them, not both")
    if dose.times > 1 and dose.every is None:
        raise DosingError(f"dose: times is {dose.times} without every; give the interval between doses")
    _check_steady_state(dose)


def _check_steady_state(dose: Dose) -> None:
    endless = dose.amount == 0 and dose.rate is not None
    if endless and not dose.steady_state:
        raise DosingError("dose: amount 0 with a rate is a constant infusion; it is wanted with steady_state=1")
    if endless and (dose.every is not None or dose.times > 1):
        raise DosingError("dose: a constant infusion (amount 0 with a rate) takes neither every nor times")
    if dose.steady_state and not endless and dose.every is None:
        raise DosingError("dose: steady_state without every; give the interval at which the dose is repeated")
