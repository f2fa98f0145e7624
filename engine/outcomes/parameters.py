"""The parameters of noncompartmental analysis by their CDISC codes (codelist PKPARMCD): what each is made of.

A code in a row of this table is all that a new parameter needs.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from engine.outcomes.analysis import Analysis

type Floats = NDArray[np.float64]


class Row(NamedTuple):
    """A parameter: what it means, how it is computed, its unit, and what must be given for it."""

    meaning: str
    value: Callable[[Analysis], Floats]
    unit: str
    """Of ``{c}`` the unit of concentration, ``{t}`` of time, ``{d}`` of the dose."""
    needs: tuple[str, ...] = ()
    routes: tuple[str, ...] = ()
    """Routes it is for; empty for all."""


def _dose(a: Analysis) -> Floats:
    return np.asarray(np.nan if a.settings.dose is None else a.settings.dose)


def _extrapolated(part: Floats, whole: Floats) -> Floats:
    found: Floats = 100 * (whole - part) / whole
    return found


def _residence(a: Analysis, moment: Floats, value: Floats) -> Floats:
    """Mean residence time; half of an infusion's length is not residence."""
    wait = (a.settings.duration or 0.0) / 2 if a.settings.route == "iv infusion" else 0.0
    found: Floats = moment / value - wait
    return found


def _swing(a: Analysis, over: Floats) -> Floats:
    found: Floats = 100 * (a.largest(within=a.settings.tau or np.inf)[0] - a.smallest()[0]) / over
    return found


_OUTSIDE, _BOLUS, _INFUSION = ("extravascular",), ("iv bolus",), ("iv infusion",)
_VEIN = _BOLUS + _INFUSION
_AREA, _MOMENT, _CLEARANCE, _VOLUME = "{t} * {c}", "{t}**2 * {c}", "{d} / ({t} * {c})", "{d} / {c}"
_AVERAGE = "average concentration of the dosing interval"

PARAMETERS: dict[str, Row] = {
    "CMAX": Row("largest concentration", lambda a: a.largest()[0], "{c}"),
    "TMAX": Row("time of the largest concentration, the first if there are several", lambda a: a.largest()[1], "{t}"),
    "CMAXD": Row("largest concentration over the dose", lambda a: a.largest()[0] / _dose(a), "{c} / {d}", ("dose",)),
    "TLAG": Row("time before the first quantifiable concentration", lambda a: a.lag(), "{t}", (), _OUTSIDE),
    "C0": Row("concentration at a bolus, extrapolated back", lambda a: a.initial, "{c}", (), _BOLUS),
    "CLST": Row("last quantifiable concentration", lambda a: a.to_last.last, "{c}"),
    "TLST": Row("time of the last quantifiable concentration", lambda a: a.to_last.time, "{t}"),
    "AUCLST": Row("area to the last quantifiable concentration", lambda a: a.to_last.value, _AREA),
    "AUCALL": Row("area to the last measurement", lambda a: a.all_, _AREA),
    "AUCIFO": Row("area to infinity, from the last observed", lambda a: a.infinite(a.observed), _AREA),
    "AUCIFP": Row("area to infinity, from the last predicted", lambda a: a.infinite(a.predicted), _AREA),
    "AUCLSTD": Row("AUCLST over the dose", lambda a: a.to_last.value / _dose(a), _AREA + " / {d}", ("dose",)),
    "AUCIFOD": Row("AUCIFO over the dose", lambda a: a.infinite(a.observed) / _dose(a), _AREA + " / {d}", ("dose",)),
    "AUCIFPD": Row("AUCIFP over the dose", lambda a: a.infinite(a.predicted) / _dose(a), _AREA + " / {d}", ("dose",)),
    "AUCPEO": Row(
        "percent of AUCIFO extrapolated", lambda a: _extrapolated(a.to_last.value, a.infinite(a.observed)),
        "percent",
    ),
    "AUCPEP": Row(
        "percent of AUCIFP extrapolated", lambda a: _extrapolated(a.to_last.value, a.infinite(a.predicted)),
        "percent",
    ),
    "AUCINT": Row(
        "area between two times", lambda a: a.between(a.settings.start or 0.0, a.settings.end or 0.0), _AREA,
        ("start", "end"),
    ),
    "AUMCLST": Row("area of the moment to the last quantifiable", lambda a: a.moment_to_last, _MOMENT),
    "AUMCIFO": Row("area of the moment to infinity, observed", lambda a: a.infinite_moment(a.observed), _MOMENT),
    "AUMCIFP": Row("area of the moment to infinity, predicted", lambda a: a.infinite_moment(a.predicted), _MOMENT),
    "AUMCPEO": Row(
        "percent of AUMCIFO extrapolated", lambda a: _extrapolated(a.moment_to_last, a.infinite_moment(a.observed)),
        "percent",
    ),
    "AUMCPEP": Row(
        "percent of AUMCIFP extrapolated", lambda a: _extrapolated(a.moment_to_last, a.infinite_moment(a.predicted)),
        "percent",
    ),
    "LAMZ": Row("terminal rate constant", lambda a: a.slope.rate, "1 / {t}"),
    "LAMZHL": Row("terminal half-life", lambda a: np.log(2) / a.slope.rate, "{t}"),
    "LAMZNPT": Row("samples in the terminal regression", lambda a: a.slope.points, "1"),
    "LAMZLL": Row("first time of the terminal regression", lambda a: a.slope.first_time, "{t}"),
    "LAMZUL": Row("last time of the terminal regression", lambda a: a.slope.last_time, "{t}"),
    "R2": Row(
        "R-squared of the terminal regression",
        lambda a: 1 - (1 - a.slope.adjusted) * (a.slope.points - 2) / (a.slope.points - 1), "1",
    ),
    "R2ADJ": Row("adjusted R-squared of the terminal regression", lambda a: a.slope.adjusted, "1"),
    "AUCTAU": Row("area over the dosing interval", lambda a: a.in_interval, _AREA, ("tau",)),
    "AUMCTAU": Row("area of the moment over the dosing interval", lambda a: a.moment_in_interval(), _MOMENT, ("tau",)),
    "CAVG": Row(_AVERAGE, lambda a: a.in_interval / (a.settings.tau or np.nan), "{c}", ("tau",)),
    "CMIN": Row("smallest concentration of the dosing interval", lambda a: a.smallest()[0], "{c}", ("tau",)),
    "TMIN": Row("time of the smallest concentration", lambda a: a.smallest()[1], "{t}", ("tau",)),
    "CTROUGH": Row(
        "concentration at the end of the dosing interval", lambda a: a.at(a.settings.tau or 0.0), "{c}", ("tau",)
    ),
    "FLUCP": Row(
        "fluctuation: Cmax - Cmin in percent of the average",
        lambda a: _swing(a, a.in_interval / (a.settings.tau or np.nan)), "percent", ("tau",),
    ),
    "SWING": Row("swing: Cmax - Cmin in percent of Cmin", lambda a: _swing(a, a.smallest()[0]), "percent", ("tau",)),
    "AILAMZ": Row(
        "accumulation index 1 / (1 - exp(-LAMZ tau))",
        lambda a: -1 / np.expm1(-a.slope.rate * (a.settings.tau or np.nan)), "1", ("tau",),
    ),
}  # fmt: skip


def _clearance(code: str, meaning: str, area: Callable[[Analysis], Floats], needs: tuple[str, ...]) -> dict[str, Row]:
    """Clearance and terminal volume from an area, apparent (F) after an extravascular dose."""

    def clearance(a: Analysis) -> Floats:
        return _dose(a) / area(a)

    def volume(a: Analysis) -> Floats:
        return _dose(a) / (area(a) * a.slope.rate)

    return {
        f"CLF{code}": Row(f"apparent clearance CL/F{meaning}", clearance, _CLEARANCE, needs, _OUTSIDE),
        f"VZF{code}": Row(f"apparent terminal volume Vz/F{meaning}", volume, _VOLUME, needs, _OUTSIDE),
        f"CL{code}": Row(f"clearance{meaning}", clearance, _CLEARANCE, needs, _VEIN),
        f"VZ{code}": Row(f"terminal volume{meaning}", volume, _VOLUME, needs, _VEIN),
    }


def _residences(code: str, route: tuple[str, ...]) -> dict[str, Row]:
    needs = ("duration",) if route == _INFUSION else ()
    ends: dict[str, Callable[[Analysis], tuple[Floats, Floats]]] = {
        "LST": lambda a: (a.moment_to_last, a.to_last.value),
        "IFO": lambda a: (a.infinite_moment(a.observed), a.infinite(a.observed)),
        "IFP": lambda a: (a.infinite_moment(a.predicted), a.infinite(a.predicted)),
    }
    words = {"LST": "to the last quantifiable", "IFO": "to infinity, observed", "IFP": "to infinity, predicted"}
    return {
        f"MRT{code}{end}": Row(
            f"mean residence time {words[end]}", _mean_time(areas), "{t}", needs, route
        )
        for end, areas in ends.items()
    }  # fmt: skip


def _mean_time(areas: Callable[[Analysis], tuple[Floats, Floats]]) -> Callable[[Analysis], Floats]:
    return lambda a: _residence(a, *areas(a))


def _steady_volume(areas: Callable[[Analysis], tuple[Floats, Floats]]) -> Callable[[Analysis], Floats]:
    """Volume at steady state: mean residence time times clearance, after an intravenous dose."""
    return lambda a: _residence(a, *areas(a)) * _dose(a) / areas(a)[1]


PARAMETERS |= _clearance("O", ", from AUCIFO", lambda a: a.infinite(a.observed), ("dose",))
PARAMETERS |= _clearance("P", ", from AUCIFP", lambda a: a.infinite(a.predicted), ("dose",))
PARAMETERS |= _clearance("TAU", ", from AUCTAU", lambda a: a.in_interval, ("dose", "tau"))
PARAMETERS |= _residences("EV", _OUTSIDE) | _residences("IB", _BOLUS) | _residences("IC", _INFUSION)
PARAMETERS |= {
    "VSSO": Row(
        "volume at steady state, observed",
        _steady_volume(lambda a: (a.infinite_moment(a.observed), a.infinite(a.observed))), _VOLUME,
        ("dose",), _VEIN,
    ),
    "VSSP": Row(
        "volume at steady state, predicted",
        _steady_volume(lambda a: (a.infinite_moment(a.predicted), a.infinite(a.predicted))), _VOLUME,
        ("dose",), _VEIN,
    ),
}  # fmt: skip
