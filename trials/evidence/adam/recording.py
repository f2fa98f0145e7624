"""From SDTM to what the trial's endpoints and estimands read: values at planned times, times of events and of leaving.

Only SDTM says what happened. What was planned (times of visits, names of arms, rules for values below quantification)
is the protocol's, and in which domain a measurement is, the plan of the tabulation.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import xarray as xr

from engine.outcomes import NCA
from trials.conduct.course import Course
from trials.conduct.measuring import BLQ
from trials.endpoints.base import Endpoint, Found
from trials.endpoints.course import Course as Profiled
from trials.evidence.adam.dates import moment
from trials.evidence.adam.following import events, followed
from trials.evidence.adam.making import named
from trials.evidence.adam.reader import Reader
from trials.evidence.adam.recorded import Recorded
from trials.evidence.adam.selecting import Home
from trials.evidence.sdtm import clock
from trials.evidence.sdtm.exposure import INTERVALS, ONCE, administrations
from trials.evidence.sdtm.plan import Finding, Plan, read
from trials.evidence.sdtm.visits import planned, pointed
from trials.evidence.sdtm.wording import worded
from trials.evidence.study import Example
from trials.evidence.table import Table
from trials.protocol import Measurement

type Array = np.ndarray


def recorded(example: Example, sdtm: Sequence[Table], plan: Plan | None = None) -> Recorded:
    """Read what SDTM holds of an example trial.

    Parameters
    ----------
    example
        The trial: what was planned.
    sdtm
        Its SDTM data sets.
    plan
        In which domains its data stand; None: what ``conf/sdtm`` has for the trial.

    Raises
    ------
    TrialError
        When an endpoint is followed in a way that SDTM does not hold.
    """
    stated = read(example.trial.name) if plan is None else plan
    return _recorded(Reader(example.protocol, stated, named(sdtm)))


def _recorded(base: Reader) -> Recorded:
    """All of it."""
    findings = {one.name: _measured(base, one) for one in base.protocol.measurements}
    course = _course(base, findings)
    given, sources = followed(base)
    parameters = _parameters(base)
    for name, frame in parameters.groupby("variable") if len(parameters) else ():
        if name:
            given[str(name)] = Found(_spread(base, frame, "PPSTRESN"))
    return Recorded(
        protocol=base.protocol, sdtm=base.sdtm, subjects=tuple(base.subjects), homes=_homes(base), findings=findings,
        course=course, given=given, sources=sources, origins=_origins(base), doses=_doses(base),
        parameters=parameters, second=base.second, treatments=base.treatments,
        wording={one.name: worded(base.protocol, base.plan, one) for one in base.protocol.endpoints},
    )  # fmt: skip


def _course(base: Reader, findings: Mapping[str, pd.DataFrame]) -> Course:
    """What happened, as far as SDTM tells."""
    protocol, shape = base.protocol, (1, len(base.subjects), len(base.starts))
    measurements = {one.name: one for one in protocol.measurements}
    left, happened = events(base)
    return Course(
        patients=_patients(base), names=tuple(protocol.design.arms), arms=base.arms[None], true={},
        observed={name: _grid(base, frame, len(measurements[name].times)) for name, frame in findings.items()},
        status=np.zeros(shape, dtype=np.int64),
        times={name: _times(base, measurements[name], frame) for name, frame in findings.items()},
        planned={name: np.asarray(one.times, dtype=float) for name, one in measurements.items()},
        below={name: _below(base, frame, len(measurements[name].times)) for name, frame in findings.items()
               if measurements[name].blq == "flagged" and measurements[name].lloq is not None},
        watched={}, starts=tuple(base.starts), left=left[None], events={n: t[None] for n, t in happened.items()},
    )  # fmt: skip


def _measured(base: Reader, measurement: Measurement) -> pd.DataFrame:
    """Records of a measurement that have a result: see `Recorded.findings`."""
    about = base.plan.measurements[measurement.name]
    prefix, frame = about.domain, base.sdtm[about.domain].frame
    frame = frame[(frame[f"{prefix}TESTCD"] == about.code)].reset_index(drop=True)
    status = frame[f"{prefix}STAT"] if f"{prefix}STAT" in frame else pd.Series("", index=frame.index)
    frame = frame[status == ""].reset_index(drop=True)
    period, place = _when(base, measurement, frame)
    below = frame[f"{prefix}STRESC"].str.startswith("<").to_numpy(dtype=bool)
    value = frame[f"{prefix}STRESN"].to_numpy(dtype=float)
    if measurement.lloq is not None:
        value = np.where(below, BLQ[measurement.blq](measurement.lloq), value)
    points = frame[f"{prefix}TPT"] if f"{prefix}TPT" in frame else pd.Series("", index=frame.index)
    made = pd.DataFrame(
        {
            "subject": base.place(frame), "period": period, "place": place, "AVAL": value,
            "BLQFL": np.where(below, "Y", ""), "SEQ": frame[f"{prefix}SEQ"], "DTC": frame[f"{prefix}DTC"],
            "DY": frame[f"{prefix}DY"], "VISIT": (frame["VISIT"] + " " + points).str.strip(),
        }
    )  # fmt: skip
    known: pd.DataFrame = made[np.isfinite(made["AVAL"])].reset_index(drop=True)
    return known


def _when(base: Reader, measurement: Measurement, frame: pd.DataFrame) -> tuple[Array, Array]:
    """Period, and index of the planned time, of each record: by VISITNUM and the planned elapsed time (--ELTM)."""
    visits = planned(base.protocol, tuple(base.starts))
    index = np.searchsorted(visits.numbers, frame["VISITNUM"].to_numpy(dtype=float))
    period = visits.periods[index].astype(int)
    prefix = base.plan.measurements[measurement.name].domain
    times = np.asarray(measurement.times)
    if pointed(measurement, base.plan, base.second):
        elapsed = {clock.duration(time, base.second): place for place, time in enumerate(times.tolist())}
        return period, frame[f"{prefix}ELTM"].map(elapsed).to_numpy(dtype=int)
    days = {
        (number, float(day)): place
        for number, start in enumerate(base.starts)
        for place, day in enumerate(clock.planned_day(start + times, base.second))
    }
    pairs = zip(period.tolist(), visits.days[index].tolist(), strict=True)
    return period, np.asarray([days[pair] for pair in pairs], dtype=int)


def _times(base: Reader, measurement: Measurement, frame: pd.DataFrame) -> Array:
    """When a measurement was taken after the start of the period: as planned, or with windows as dated."""
    at = np.asarray(measurement.times, dtype=float)
    if measurement.window == (0.0, 0.0):
        return at
    made = np.broadcast_to(at, (1, len(base.subjects), len(base.starts), len(at))).copy()
    subject, period, place = (frame[name].to_numpy(dtype=int) for name in ("subject", "period", "place"))
    made[0, subject, period, place] = base.since(subject, frame["DTC"]) - base.starts[period]
    return made


def _grid(base: Reader, frame: pd.DataFrame, count: int) -> Array:
    made = np.full((1, len(base.subjects), len(base.starts), count), np.nan)
    made[0, frame["subject"], frame["period"], frame["place"]] = frame["AVAL"]
    return made


def _below(base: Reader, frame: pd.DataFrame, count: int) -> Array:
    made = np.zeros((1, len(base.subjects), len(base.starts), count), dtype=bool)
    made[0, frame["subject"], frame["period"], frame["place"]] = frame["BLQFL"] == "Y"
    return made


def _spread(base: Reader, frame: pd.DataFrame, value: str) -> Array:
    made = np.full((1, len(base.subjects), len(base.starts)), np.nan)
    made[0, frame["subject"], frame["period"]] = frame[value]
    return made


def _patients(base: Reader) -> xr.Dataset:
    """Covariates, place and time of entry (replicate, subject)."""
    made = {name: _covariate(base, name, about) for name, about in base.plan.covariates.items()}
    days = base.start - moment(pd.Series([str(clock.OPENED)])) - clock.MORNING
    made["enrolled"] = (days / base.second, {})
    enrolment = base.protocol.enrolment
    if enrolment is not None and enrolment.site_names:
        names = list(enrolment.site_names)
        site = base.people["SITEID"].map(names.index).to_numpy(dtype=np.int64)
        made["site"] = (site, {"names": names})
        made["region"] = (np.asarray(enrolment.region_of_site)[site], {"names": list(enrolment.region_names)})
    data = {name: (("replicate", "subject"), values[None], attrs) for name, (values, attrs) in made.items()}
    patients = xr.Dataset(data, coords={"replicate": [0]})
    if base.protocol.randomisation is None:
        return patients
    stratum, levels = base.protocol.randomisation.strata(patients)
    return patients.assign(stratum=(("replicate", "subject"), stratum, {"names": list(levels)}))


def _covariate(base: Reader, name: str, about: Finding) -> tuple[Array, dict[str, list[str]]]:
    """A covariate as SDTM has it; a level as its place."""
    levels = next(one.levels for one in base.protocol.population.variables if one.name == name)
    if about.domain == "DM":
        values = base.people[about.code]
    else:
        frame = base.stated(about)
        column = f"{about.domain}{'STRESC' if levels else 'STRESN'}"
        values = frame.set_index("USUBJID")[column].reindex(base.subjects)
    if not levels:
        return values.to_numpy(dtype=float), {}
    told = [about.values.get(level, level) for level in levels]
    return values.map(told.index).to_numpy(dtype=float), {"levels": list(levels)}


def _origins(base: Reader) -> dict[str, str]:
    made = {"enrolled": "DM.RFSTDTC less the opening of the trial", "discontinued": "DS.DSSTDTC of leaving",
            "site": "DM.SITEID", "region": "DM.SITEID", "stratum": "Covariates and site of randomisation"}  # fmt: skip
    for name, one in base.plan.covariates.items():
        place = f"{one.domain}.{one.domain}STRESN where {one.domain}TESTCD is {one.code}"
        made[name] = f"DM.{one.code}" if one.domain == "DM" else place
    made |= {f"ice_{name}": f"DS.DSSTDTC where DSTERM is {one.term}" for name, one in base.plan.events.items()}
    return made


def _homes(base: Reader) -> dict[str, Home]:
    made = {name: _home(base, one) for name, one in base.plan.measurements.items()}
    for endpoint in base.protocol.endpoints:
        if _profiled(base, endpoint):
            assert isinstance(endpoint, Profiled), "held by _profiled"
            assert isinstance(endpoint.metric, NCA), "held by _profiled"
            made[endpoint.name] = Home("PP", endpoint.metric.parameter, endpoint.metric.parameter, endpoint.unit)
    return made


def _home(base: Reader, one: Finding) -> Home:
    frame = base.stated(one)
    units = frame[f"{one.domain}STRESU"] if f"{one.domain}STRESU" in frame else pd.Series(dtype=str)
    known = units[units != ""]
    return Home(one.domain, one.code, one.test, str(known.iloc[0]) if len(known) else "")


def _profiled(base: Reader, endpoint: Endpoint) -> bool:
    """Whether an endpoint is a noncompartmental parameter of concentrations, and so in PP."""
    noncompartmental = isinstance(endpoint, Profiled) and isinstance(endpoint.metric, NCA)
    return noncompartmental and base.plan.measurements[endpoint.measures[0]].domain == "PC"


def _doses(base: Reader) -> pd.DataFrame:
    """Records of EX with subject, period and number of doses, which is missing where the frequency has no interval."""
    if "EX" not in base.sdtm:
        return pd.DataFrame()
    frame = base.sdtm["EX"].frame
    single = administrations(frame).groupby(["USUBJID", "EXSEQ"]).size()
    counted = frame["EXDOSFRQ"].isin([ONCE, *INTERVALS])
    number = single.reindex(pd.MultiIndex.from_frame(frame[["USUBJID", "EXSEQ"]])).to_numpy(dtype=float)
    frame = frame.assign(number=np.where(counted, number, np.nan))
    subject = base.place(frame)
    return frame.assign(subject=subject, period=base.period(subject, frame["EXSTDTC"]))


def _parameters(base: Reader) -> pd.DataFrame:
    """Records of PP with subject, period, and the endpoint that each is (empty: none) as variable."""
    if "PP" not in base.sdtm:
        return pd.DataFrame()
    frame = base.sdtm["PP"].frame
    subject = base.place(frame)
    names: dict[tuple[str, str], str] = {}
    for one in base.protocol.endpoints:
        if isinstance(one, Profiled) and isinstance(one.metric, NCA) and _profiled(base, one):
            names[base.plan.measurements[one.measure].test.upper(), one.metric.parameter] = one.name
    variable = [names.get(pair, "") for pair in zip(frame["PPCAT"], frame["PPTESTCD"], strict=True)]
    period = base.period(subject, frame["PPRFTDTC"])
    return frame.assign(subject=subject, period=period, variable=variable)
