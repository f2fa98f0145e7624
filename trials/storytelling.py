"""Example trials told patient by patient: one virtual patient of a run, in order of time.

The replicate is simulated again at its address, so the numbers are the very ones the outcomes came from.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import xarray as xr

from trials.block import Work, simulate, trial_data
from trials.checks import refuse
from trials.conduct import follow_up, noise
from trials.conduct.course import Course
from trials.conduct.doses import Given, doses
from trials.conduct.measuring import missed
from trials.errors import TrialError
from trials.manifest import source_digest
from trials.monitoring.conclusion import concluded
from trials.protocol import Protocol, Result, Trial

if TYPE_CHECKING:
    from trials.conduct.estimand import Estimand
    from trials.conduct.event import IntercurrentEvent
    from trials.protocol import Measurement

type Source = Result | Trial | str | Path

PLACES = ("site", "region", "stratum")
PERIOD, VISIT, EVENT, DOSE = range(4)
"""Order of what happens at one time: a visit comes before an event, and the doses of that time after it."""

KEPT = {
    "treatment_policy": "values after it count as they are",
    "hypothetical": "values after it are left out, and missing for the analysis",
    "composite": "it counts as a failure from then on",
    "while_on_treatment": "values before it stand for those after",
}
"""What an estimand makes of an intercurrent event, by its strategy."""


class Happening(NamedTuple):
    """Something that happened, after the start of the first period."""

    time: float
    order: int
    text: str


def tell(source: Source, replicate: int = 0, *, subject: int, scenario: str | None = None) -> str:
    """Tell the story of one virtual patient.

    Parameters
    ----------
    source
        A result, the folder of a run, or a trial whose population needs no fit.
    replicate, subject
        Which simulated trial, and which of its patients; both count from 0.
    scenario
        Name of the scenario; None is the trial's first.

    Returns
    -------
    Text: who the patient is, when and where they were enrolled, to which arm; doses, visits and intercurrent events in
    order of time, with the true values that only a simulation knows; then every endpoint and estimand, as the
    analyses saw them.

    Raises
    ------
    TrialError
        When there is no such scenario, replicate or subject, or the population was fitted and no posterior is at hand.
    """
    trial, posterior, remarks = _opened(source, replicate)
    chosen = trial.scenarios[0] if scenario is None else trial.scenario(scenario)
    if not isinstance(subject, int) or not 0 <= subject < chosen.protocol.design.n:
        raise refuse("tell.subject", subject, f"a whole number from 0 to {chosen.protocol.design.n - 1}")
    work = Work("", chosen.protocol, range(replicate, replicate + 1), int(trial.config["seed"]), posterior)
    witness = Witness(work, simulate(work), subject)
    head = f"{trial.title}\nScenario {chosen.name}, replicate {replicate}, subject {subject}: {chosen.description}"
    return "\n".join([head, *remarks, "", *witness.who(), "", *witness.story(), "", *witness.analysed()])


def eventful(result: Result) -> int:
    """Return the patient of the first scenario's first trial to whom most happened: the first of those."""
    example = result.example.isel(scenario=0)
    happened = [np.isfinite(example[name].values) for name in map(str, example.data_vars) if name.startswith("ice_")]
    return int(np.sum(happened, axis=0).argmax()) if happened else 0


@dataclass(frozen=True, slots=True, eq=False)
class Witness:
    """Somebody who saw everything that happened to one patient of the only replicate of `work`."""

    work: Work
    course: Course
    subject: int

    @property
    def protocol(self) -> Protocol:
        """What was planned."""
        return self.work.protocol

    @property
    def left(self) -> float:
        """When the patient left the study; infinite if not."""
        return float(self.course.left[0, self.subject])

    def who(self) -> Iterator[str]:
        """Who the patient is, and how they came into the trial."""
        one = self.course.patients.isel(replicate=0, subject=self.subject)
        known = [f"{_words(name)} {_level(one[name])}" for name in self.protocol.population.covariate_names]
        yield f"Who: {', '.join(known) or 'nothing is known of the patient at entry'}."
        screened = int(one["candidates"]) if "candidates" in one else 1
        before = f", after {screened - 1} others had failed screening" if screened > 1 else ""
        at = ", ".join(f"{name} {_level(one[name])}" for name in PLACES if name in one)
        day = f"{_number(one['enrolled'])} {self.protocol.model.time} after the opening of the trial"
        day = "at time 0, as everybody; the trial has no calendar" if self.protocol.enrolment is None else day
        yield f"Enrolled: {day}{f', {at}' if at else ''}{before}."
        arms = [self.course.names[index] for index in self.course.arms[0, self.subject]]
        yield f"Randomised to: {', then '.join(arms)}."

    def story(self) -> Iterator[str]:
        """What happened, in order of time since randomisation."""
        unit = self.protocol.model.time
        yield f"Time since randomisation in {unit}; what is measured is followed by (what is true)."
        happened = sorted([*self._periods(), *self._visits(), *self._events(), *self._doses()], key=lambda one: one[:2])
        yield from (f"  {_number(one.time):>8}  {one.text}" for one in happened)
        if (self.course.status[0, self.subject] != 0).any():
            yield "  The patient could not be simulated: the solver failed, and nothing is known of the course."

    def _periods(self) -> Iterator[Happening]:
        """Periods until the patient left, where there are several."""
        for number, start in enumerate(self.course.starts if len(self.course.starts) > 1 else ()):
            if start <= self.left:
                arm = self.course.names[self.course.arms[0, self.subject, number]]
                yield Happening(start, PERIOD, f"Period {number + 1}: {arm}")

    def _visits(self) -> Iterator[Happening]:
        """Visits until the patient left: what was measured, or that nothing was."""
        for measurement in self.protocol.measurements:
            name, unit = measurement.name, _unit(self.protocol, measurement)
            away = missed(measurement, self.course.patients, self.course.arms.shape)
            times = np.broadcast_to(self.course.times[name], self.course.true[name].shape)[0, self.subject]
            for period, visit in np.ndindex(*times.shape):
                time = float(times[period, visit]) + self.course.starts[period]
                here = (0, self.subject, period, visit)
                if time > self.left:
                    continue
                skipped = away is not None and bool(away[here])
                said = "visit missed" if skipped else self._value(measurement, here, unit)
                yield Happening(time, VISIT, f"{_words(name)}: {said} ({_number(self.course.true[name][here])})")

    def _value(self, measurement: Measurement, here: tuple[int, ...], unit: str) -> str:
        """Write a recorded value, and whether it is one below the limit of quantification."""
        value, limit = float(self.course.observed[measurement.name][here]), measurement.lloq
        if not np.isfinite(value):
            simulated = np.isfinite(self.course.true[measurement.name][here])
            return f"below the limit of {limit:g}{unit}, recorded as missing" if simulated else "no value"
        flagged = self.course.below.get(measurement.name)
        if limit is not None and (value < limit or (flagged is not None and bool(flagged[here]))):
            return f"below the limit of {limit:g}{unit}, recorded as {_number(value)}"
        return f"{_number(value)}{unit}"

    def _events(self) -> Iterator[Happening]:
        """Intercurrent events, and what followed from them."""
        for event in self.protocol.intercurrent:
            time = float(self.course.events[event.name][0, self.subject])
            if np.isfinite(time):
                yield Happening(time, EVENT, f"Intercurrent event {_words(event.name)}: {_consequences(event)}")

    def _doses(self) -> Iterator[Happening]:
        """Doses until the patient left; equal ones that follow each other are told together."""
        drawn = noise(self.protocol, self.work.seed, self.work.replicates, *self.course.arms.shape[1:])
        given = [one for one in doses(self.protocol, self.course, drawn, self.subject) if one.time <= self.left]
        for _, run in groupby(given, key=lambda one: one[1:]):
            yield _together(list(run), self.protocol)

    def analysed(self) -> Iterator[str]:
        """Every endpoint and estimand of the patient, as they were when the trial was analysed."""
        data, design = trial_data(self.work, self.course), self.protocol.design
        if (design.looks, design.reestimation, design.escalation) != (None, None, None):
            made, data = concluded(self.protocol, data, follow_up(self.protocol))
        if design.looks is not None:
            look, day = (float(made[f"outcome.{name}"][0, 0]) for name in ("look", "duration"))
            yield f"The trial ended at look {look:g}, {_number(day)} {self.protocol.model.time} after its opening."
        one = data.isel(replicate=0, subject=self.subject)
        if (np.asarray(one["arm"]) < 0).all():
            yield "The patient had not been randomised by then, and is in no analysis."
            return
        yield "Endpoints, as analysed:"
        yield from (f"  {_words(e.name)}: {_endpoint(one, e.name, e.unit)}" for e in self.protocol.endpoints)
        if self.protocol.estimands:
            yield "Estimands:"
        for estimand in self.protocol.estimands:
            unit = self.protocol.endpoint(estimand.variable).unit
            yield f"  {_words(estimand.name)}, of {_words(estimand.variable)}: {_endpoint(one, estimand.name, unit)}"
            yield from (f"    {said}" for said in self._made_of(estimand))

    def _made_of(self, estimand: Estimand) -> Iterator[str]:
        """What an estimand makes of the patient and of each event that happened."""
        one = self.course.patients.isel(replicate=0, subject=self.subject)
        for name, (least, most) in estimand.population:
            if not least <= float(one[name]) <= most:
                yield f"not part of it: {_words(name)} {_number(one[name])} is not within {least:g} to {most:g}"
        if not {self.course.names[index] for index in self.course.arms[0, self.subject]} & set(estimand.treatment):
            yield f"not part of it: it compares {', '.join(estimand.treatment)}"
        for name, strategy in estimand.events:
            time = float(self.course.events[name][0, self.subject])
            if np.isfinite(time):
                yield f"{_words(name)} at {_number(time)}, {_words(strategy)}: {KEPT[strategy]}"


def _opened(source: Source, replicate: int) -> tuple[Trial, xr.DataTree | None, list[str]]:
    """Trial, draws of its population, and remarks on a run that other code made."""
    if isinstance(source, Trial):
        if source.calibration is not None:
            raise TrialError(
                f"tell: the population of {source.name} is fitted to data; wants a result or a run's folder"
            )
        _replicate(replicate, int(source.config["replicates"]))
        return source, None, []
    trial, posterior, manifest = (
        (source.trial, source.posterior, source.manifest) if isinstance(source, Result) else _read(Path(source))
    )
    _replicate(replicate, int(manifest["replicates"]))
    thin = None
    if posterior is not None:
        from trials.calibration import thinned

        thin = thinned(trial.protocol, posterior)
    same = manifest["digests"]["code"] == source_digest()
    return trial, thin, [] if same else ["The code is not that of the run; numbers may differ from those it had."]


def _read(folder: Path) -> tuple[Trial, xr.DataTree | None, dict[str, Any]]:
    """Trial, posterior and manifest of a run's folder."""
    from trials.compose import load
    from trials.verification import read_manifest

    manifest, trial, path = read_manifest(folder), load(folder / "config.yaml"), folder / "posterior.nc"
    if not path.is_file():
        return trial, None, manifest
    with xr.open_datatree(path, engine="h5netcdf") as tree:
        return trial, tree.load(), manifest


def _replicate(replicate: int, count: int) -> None:
    if not isinstance(replicate, int) or not 0 <= replicate < count:
        raise refuse("tell.replicate", replicate, f"a whole number from 0 to {count - 1}")


def _consequences(event: IntercurrentEvent) -> str:
    """Say what follows from an event."""
    said = [
        "leaves the study, nothing is recorded afterwards" if event.leaves else "",
        "takes no more of the assigned treatment" if event.stops else "",
        "" if event.rescue is None else f"also receives {event.rescue}",
        "" if event.switch is None else f"switches to {event.switch}",
        *(f"{name} times {factor:g}" for name, factor in event.modify),
    ]
    return ", ".join(filter(None, said)) or "nothing changes"


def _together(run: Sequence[Given], protocol: Protocol) -> Happening:
    """Tell doses of one kind that follow each other."""
    first, last = run[0], run[-1]
    state = next(state for state in protocol.model.states if state.name == first.into)
    what = f"{_number(first.amount)}{_spaced(state.unit)} into {first.into}"
    said = what if first.taken else f"dose into {first.into} not taken"
    many = "" if len(run) == 1 else f", {len(run)} doses until {_number(last.time)}"
    return Happening(first.time, DOSE, f"{said}{many}")


def _endpoint(one: xr.Dataset, name: str, unit: str) -> str:
    """Write an endpoint of one patient: of each period, at each visit."""
    values = one[name]
    beside = {suffix: one[f"{name}_{suffix}"] for suffix in ("event", "exposure", "below") if f"{name}_{suffix}" in one}
    if "period" in values.dims:
        periods = range(values.sizes["period"])
        each = [_endpoint(one[_own(one, name)].isel(period=index), name, unit) for index in periods]
        return "; ".join(f"period {index + 1}: {text}" for index, text in zip(periods, each, strict=True))
    if values.ndim:
        clock = values[str(values.dims[0])].values
        below = beside["below"].values if "below" in beside else np.zeros(clock.size, dtype=bool)
        said = [
            f"{_scalar(v)} at {t:g}{' (below)' if b else ''}"
            for v, t, b in zip(values.values, clock, below, strict=True)
        ]
        return f"{', '.join(said)}{f' ({unit})' if unit != '1' else ''}"
    text = _scalar(values) + (_spaced(unit) if np.isfinite(values) else "")
    if "event" in beside and np.isfinite(values):
        return f"event at {text}" if bool(beside["event"]) else f"censored at {text}"
    if "exposure" in beside:
        text += f" in {_number(beside['exposure'])} {beside['exposure'].attrs['units']}"
    return text + (" (below the limit of quantification)" if "below" in beside and bool(beside["below"]) else "")


def _own(one: xr.Dataset, name: str) -> list[str]:
    """Variables of one endpoint."""
    return [each for each in (name, f"{name}_event", f"{name}_exposure", f"{name}_below") if each in one]


def _scalar(value: Any) -> str:
    return _number(value) if np.isfinite(value) else "missing"


def _number(value: Any) -> str:
    """Four significant digits, more when they stand before the point."""
    number = float(value)
    return f"{number:.0f}" if abs(number) >= 1000 else f"{number:.4g}"


def _words(name: str) -> str:
    return name.replace("_", " ")


def _spaced(unit: str) -> str:
    return "" if unit in ("", "1") else f" {unit}"


def _level(value: xr.DataArray) -> str:
    """A covariate or a place: the name of its level, or a number with its unit."""
    names = value.attrs.get("levels", value.attrs.get("names"))
    return str(names[int(value)]) if names else f"{_number(value)}{_spaced(value.attrs.get('units', '1'))}"


def _unit(protocol: Protocol, measurement: Measurement) -> str:
    return _spaced(next(output.unit for output in protocol.model.outputs if output.name == measurement.output))
