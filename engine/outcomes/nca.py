"""Noncompartmental analysis: one parameter as a metric, or all of them as a Dataset."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from engine.errors import DataError
from engine.outcomes.analysis import ROUTES, Analysis, Settings
from engine.outcomes.fields import check_fields, choice, number, optional
from engine.outcomes.metric import Floats, Metric
from engine.outcomes.parameters import PARAMETERS
from engine.outcomes.profiles import chunks, each
from engine.outcomes.trapezoid import METHODS

if TYPE_CHECKING:
    import xarray as xr


@dataclass(frozen=True, slots=True)
class NCA(Metric):
    """One parameter of noncompartmental analysis of a concentration-time course.

    Parameters
    ----------
    parameter
        CDISC code (PKPARMCD): ``AUCLST``, ``AUCIFO``, ``AUCINT``, ``AUCTAU``, ``CMAX``, ``TMAX``, ``CMIN``, ``CAVG``,
        ``LAMZHL``, ``CLFO``, ``VZFO``, ...; :data:`engine.outcomes.parameters.PARAMETERS` has them all.
    method
        ``linear-up log-down`` or ``linear`` trapezoids.
    route
        ``extravascular``, ``iv bolus`` or ``iv infusion``: what holds at the dose where nothing was measured
        (0; extrapolated back; 0), whether the maximum may enter the terminal regression (bolus), and names.
    lloq
        Below it, and at 0 or less, a concentration is 0 before the first quantifiable one and missing afterwards.
    dose, dose_unit
        Amount, for clearances and volumes.
    duration
        Length of the infusion.
    tau
        Dosing interval, for steady-state parameters; without a sample at the dose the smallest of the interval counts.
    start, end
        Bounds of ``AUCINT`` since the dose: interpolated between samples, after them extrapolated at the terminal rate.
    dose_time
        When the dose was given, on the clock of the times; earlier samples do not count.
    """

    parameter: str
    method: str = "linear-up log-down"
    route: str = "extravascular"
    lloq: float = 0.0
    dose: float | None = None
    dose_unit: str = "mg"
    duration: float | None = None
    tau: float | None = None
    start: float | None = None
    end: float | None = None
    dose_time: float = 0.0

    def __post_init__(self) -> None:
        """Coerce and check the fields."""
        positive, least = optional(number(above=0)), optional(number(least=0))
        check_fields(self, parameter=choice(tuple(PARAMETERS)), method=choice(METHODS), route=choice(ROUTES))
        check_fields(self, lloq=number(least=0), dose=positive, duration=positive, tau=positive, dose_time=number())
        check_fields(self, start=least, end=least)
        if (self.route == "iv infusion") != (self.duration is not None):
            wanted = "the length of the infusion" if self.duration is None else "None: only an infusion has a length"
            raise DataError(f"NCA.duration: got {self.duration!r} for route {self.route!r}, wanted {wanted}")
        if self.start is not None and self.end is not None and self.end <= self.start:
            raise DataError(f"NCA.end: got {self.end:g}, wanted a time after NCA.start ({self.start:g})")
        if lack := self.lacks(self.parameter, self.dose):
            raise DataError(f"NCA.parameter: {lack}")

    def __call__(self, values: Floats, times: Floats) -> Floats:
        """Give the parameter of every course (...); see :class:`engine.outcomes.metric.Metric`."""
        row = PARAMETERS[self.parameter]

        def kernel(clock: Floats, some: Floats) -> Floats:
            with np.errstate(invalid="ignore", divide="ignore"):
                return np.broadcast_to(row.value(self.analysis(clock, some, self.dose)), some.shape[1:])

        return each(kernel, values, times)

    def unit_of(self, value: str, time: str) -> str:
        """Unit of the parameter."""
        return self.unit(self.parameter, value, time)

    def unit(self, parameter: str, value: str, time: str) -> str:
        """Unit of any parameter under these conventions."""
        text = PARAMETERS[parameter].unit
        if "{" not in text:
            return text
        from engine.models.algebras.units import unit

        return str(unit(text.format(c=f"({value})", t=f"({time})", d=f"({self.dose_unit})")))

    def analysis(self, times: Floats, values: Floats, dose: float | Floats | None) -> Analysis:
        """Analysis of courses (time, course) since the dose."""
        since = times - self.dose_time
        settings = Settings(
            self.method, self.route, self.lloq, dose, self.duration, self.tau, self.start, self.end
        )  # fmt: skip
        return Analysis(settings, since, np.where(since >= 0, values, np.nan))

    def lacks(self, parameter: str, dose: object) -> str | None:
        """Say what a parameter lacks under these conventions; None when nothing."""
        row = PARAMETERS[parameter]
        if row.routes and self.route not in row.routes:
            return f"{parameter} ({row.meaning}) is for route {' or '.join(row.routes)}, got {self.route!r}"
        have = {"dose": dose, "tau": self.tau, "start": self.start, "end": self.end, "duration": self.duration}
        lacking = [name for name in row.needs if have[name] is None]
        return f"{parameter} ({row.meaning}) needs {' and '.join(lacking)}" if lacking else None


def noncompartmental(
    concentration: "xr.DataArray", *, times: ArrayLike | None = None, dose: ArrayLike | None = None,
    parameters: Sequence[str] | None = None, **conventions: Any,
) -> "xr.Dataset":  # fmt: skip
    """Every parameter of noncompartmental analysis that can be told, for every subject.

    Parameters
    ----------
    concentration
        (..., time), as :func:`engine.simulate` gives an output; its ``units`` are used.
    times
        (time,) or (..., time); the coordinate ``time``, or ``sample_time``, when None.
    dose
        One amount, or one for each course (...).
    parameters
        CDISC codes; None for all that the route and what is given determine.
    **conventions
        ``method``, ``route``, ``lloq``, ``dose_unit``, ``duration``, ``tau``, ``start``, ``end``, ``dose_time`` as for
        :class:`NCA`.

    Returns
    -------
    Dataset (...) with a variable for each code, its ``units`` and ``meaning``.
    """
    import xarray as xr

    how = _conventions(conventions)
    codes = _codes(how, parameters, dose)
    values = concentration.transpose(..., "time")
    clock, time_unit = _clock(values, times)
    dims = values.dims[:-1]
    found = _parameters(how, codes, values.to_numpy(), clock, dose)
    unit = str(concentration.attrs.get("units", "1"))
    shape = values.shape[:-1]
    about = {code: {"units": how.unit(code, unit, time_unit), "meaning": PARAMETERS[code].meaning} for code in codes}
    variables = {code: (dims, column.reshape(shape), about[code]) for code, column in found.items()}
    kept = {name: coord for name, coord in values.coords.items() if "time" not in coord.dims}
    return xr.Dataset(variables, coords=kept, attrs={"method": how.method, "route": how.route, "lloq": how.lloq})


def _conventions(given: Mapping[str, Any]) -> NCA:
    known = [name for name in NCA.__slots__ if name not in ("parameter", "dose")]
    if unknown := [name for name in given if name not in known]:
        raise DataError(f"noncompartmental: {unknown[0]!r} is no convention; there are {', '.join(known)}")
    return NCA("CMAX", **given)


def _codes(how: NCA, asked: Sequence[str] | None, dose: ArrayLike | None) -> list[str]:
    if asked is None:
        return [code for code in PARAMETERS if how.lacks(code, dose) is None]
    for code in asked:
        choice(tuple(PARAMETERS))("noncompartmental.parameters", code)
        if lack := how.lacks(code, dose):
            raise DataError(f"noncompartmental.parameters: {lack}")
    return list(asked)


def _clock(values: "xr.DataArray", times: ArrayLike | None) -> tuple[Floats, str]:
    name = next((name for name in ("sample_time", "time") if name in values.coords), None)
    unit = "h" if name is None else str(values.coords[name].attrs.get("units", "h"))
    if times is not None:
        return np.asarray(times, dtype=np.float64), unit
    if name is None:
        raise DataError(
            "noncompartmental.times: None, and the concentrations have no coordinate 'time'; times are wanted"
        )
    return values.coords[name].to_numpy().astype(np.float64), unit


def _parameters(
    how: NCA, codes: Sequence[str], values: Floats, clock: Floats, dose: ArrayLike | None
) -> dict[str, Floats]:  # fmt: skip
    courses = int(np.prod(values.shape[:-1]))
    amounts = None if dose is None else np.broadcast_to(np.asarray(dose, dtype=np.float64), values.shape[:-1]).ravel()
    if amounts is not None and not np.all(np.isfinite(amounts) & (amounts > 0)):
        raise DataError(f"noncompartmental.dose: got {dose!r}, wanted numbers above 0")
    found = {code: np.empty(courses) for code in codes}
    for part, times, some in chunks(values, clock):
        analysis = how.analysis(times, some, None if amounts is None else amounts[part])
        with np.errstate(invalid="ignore", divide="ignore"):
            for code, column in found.items():
                column[part] = PARAMETERS[code].value(analysis)
    return found
