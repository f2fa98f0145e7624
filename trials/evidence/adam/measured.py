"""Analysis data sets of what is measured at visits: one record a subject, parameter, period and visit."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from trials.endpoints.repeated import Repeated
from trials.endpoints.visit import AtVisit
from trials.errors import TrialError
from trials.evidence.adam import dates, making
from trials.evidence.adam.making import Variable, assigned, derived, predecessor
from trials.evidence.adam.recorded import Recorded
from trials.evidence.adam.selecting import Selection, estimand, variables
from trials.evidence.sdtm import clock
from trials.evidence.sdtm.visits import planned
from trials.evidence.table import Table

type Array = np.ndarray

SUBJECT = ("STUDYID", "USUBJID", "SUBJID", "SITEID", "SIMFL", "ITTFL", "SAFFL", "PKFL", "TRTSEQP", "TRTSEQA")
"""Variables of the subject level that every data set has."""
LOCF, FAILURE = "LOCF", "FAILURE"
LABELS = {
    "LB": "Laboratory Test Analysis", "RS": "Clinical Scale Analysis", "MK": "Musculoskeletal Analysis",
    "TR": "Tumor/Lesion Analysis", "PC": "PK Concentration Analysis",
}  # fmt: skip
"""Labels of data sets whose domain's own label is too long for a label of at most 40 characters with SIMULATED."""


@dataclass(frozen=True, slots=True, eq=False)
class Grid:
    """Values of one measurement, and where in the data set they are: arrays (subject, period, place)."""

    value: Array
    record: Array
    """Number of the record; -1 where there is none."""
    planned: Array
    baseline: float

    @property
    def base(self) -> Array:
        """Baseline (subject, period, 1); NaN where none is planned."""
        place = np.flatnonzero(self.planned == self.baseline)
        return self.value[..., place] if place.size else np.full((*self.value.shape[:-1], 1), np.nan)

    def column(self, name: str) -> Array:
        """``AVAL``, ``CHG`` or ``PCHG`` of every value; changes but at the baseline."""
        if name == "AVAL":
            return self.value
        change = np.where(self.planned == self.baseline, np.nan, self.value - self.base)
        if name == "CHG":
            return change
        with np.errstate(divide="ignore", invalid="ignore"):
            percent: Array = np.where(self.base == 0, np.nan, 100 * change / self.base)
        return percent


def baseline(seen: Recorded, measure: str) -> float:
    """Planned time of the baseline of a measurement: that of its endpoints, else the start.

    Raises
    ------
    TrialError
        When endpoints disagree, since a record has one baseline.
    """
    ends = [one for one in seen.protocol.endpoints if isinstance(one, AtVisit | Repeated) and one.measure == measure]
    found = {one.baseline for one in ends if one.kind != "value"}
    if len(found) > 1:
        raise TrialError(f"evidence: endpoints of {measure} have the baselines {sorted(found)}, wanted one")
    return found.pop() if found else 0.0


def measured(seen: Recorded, adsl: Table, domain: str, selections: Sequence[Selection]) -> Table:
    """Data set of the measurements of a domain, ``ADLB`` of LB.

    Parameters
    ----------
    seen
        What SDTM holds.
    adsl
        Subject level.
    domain
        Domain of findings.
    selections
        Variables analysed from this data set: each flags its records, and where an estimand has another value than
        what was recorded (carried forward, a failure), there is a derived record.
    """
    frames = [_records(seen, measure, selections) for measure in seen.measures(domain)]
    frame = pd.concat(frames, ignore_index=True)
    number = sorted(frame["PARAMCD"].unique())
    frame["PARAMN"] = frame["PARAMCD"].map(number.index).astype(float) + 1
    variables = [
        *subject_and_period(seen, adsl, frame),
        *_told(seen, domain, frame),
        *_elapsed(seen, domain, frame),
        *_analysed(frame, selections),
    ]
    structure = "One record per subject, parameter, analysis period, analysis visit and derivation type"
    keys = ("STUDYID", "USUBJID", "PARAMCD", "APERIOD", "NRRLT", "DTYPE", f"{domain}SEQ")
    return making.table(f"AD{domain}", LABELS.get(domain, f"{seen.label(domain)} Analysis"), structure, variables,
                        keys=keys)  # fmt: skip


def subject_and_period(seen: Recorded, adsl: Table, frame: pd.DataFrame) -> Iterator[Variable]:
    """Variables of the subject level, the period and the treatment in it, of records (subject, period)."""
    who = np.asarray(seen.subjects, dtype=object)[frame["subject"].to_numpy(dtype=int)]
    yield from making.of_subjects(adsl, who, SUBJECT)
    period = frame["period"].to_numpy(dtype=int)
    yield derived("APERIOD", "Period", "Treatment period of the visit", "integer", format="2."), period + 1.0
    levels = adsl.frame.set_index("USUBJID").reindex(who)
    for suffix, kind in (("P", "Planned"), ("A", "Actual")):
        for end, label in (("", f"{kind} Treatment"), ("N", f"{kind} Treatment (N)")):
            names = [f"TRT{one + 1:02d}{suffix}{end}" for one in range(seen.periods)]
            values = levels[names].to_numpy()[np.arange(len(frame)), period]
            source = f"ADSL.{names[0]}" if len(names) == 1 else f"ADSL.TRTxx{suffix}{end} of the period APERIOD"
            column = predecessor if len(names) == 1 else derived
            yield column(f"TRT{suffix}{end}", label, source, "integer" if end else "text"), values


def _records(seen: Recorded, measure: str, selections: Sequence[Selection]) -> pd.DataFrame:
    """Recorded and derived records of a measurement."""
    frame = seen.findings[measure].reset_index(drop=True)
    planned = seen.planned(measure)
    shape = (len(seen.subjects), seen.periods, len(planned))
    at = tuple(frame[name].to_numpy(dtype=int) for name in ("subject", "period", "place"))
    value, record = np.full(shape, np.nan), np.full(shape, -1)
    value[at], record[at] = frame["AVAL"].to_numpy(), np.arange(len(frame))
    grid = Grid(value, record, planned, baseline(seen, measure))
    frame["DTYPE"] = ""
    made = [_filled(frame, grid)]
    flags = {one.flag: np.zeros(len(frame), dtype=bool) for one in selections}
    ends = dict(variables(seen.protocol))
    for one in selections:
        endpoint = ends[one.variable]
        assert isinstance(endpoint, AtVisit | Repeated), "others have data sets of their own"
        if endpoint.measure != measure:
            continue
        known, extra = _chosen(seen, grid, one, endpoint)
        flags[one.flag][known] = True
        if len(extra):
            traced = _traced(grid, frame, extra).assign(VISIT=_visit_of(seen, grid, extra), **{one.flag: "Y"})
            made.append(_filled(traced, grid))
    made[0] = made[0].assign(**{name: making.flag(where) for name, where in flags.items()})
    whole = pd.concat(made, ignore_index=True)
    home = seen.homes[measure]
    unit = f" ({home.unit})" if home.unit else ""
    return whole.fillna(dict.fromkeys(flags, "")).assign(PARAMCD=home.code, PARAM=f"{home.name}{unit}")


def _filled(frame: pd.DataFrame, grid: Grid) -> pd.DataFrame:
    """Records with their baseline, changes from it and visit."""
    at = tuple(frame[name].to_numpy(dtype=int) for name in ("subject", "period", "place"))
    base = np.broadcast_to(grid.base, grid.value.shape)[at]
    made = frame.assign(BASE=base, NRRLT=grid.planned[at[2]])
    made["ABLFL"] = making.flag((made["NRRLT"] == grid.baseline) & np.isfinite(base) & (made["DTYPE"] == ""))
    for name in ("CHG", "PCHG"):
        made[name] = made[name] if name in made else grid.column(name)[at]
    return made


def _chosen(
    seen: Recorded, grid: Grid, selection: Selection, endpoint: AtVisit | Repeated
) -> tuple[Array, pd.DataFrame]:
    """Records that are a variable's values, and derived records where no record is."""
    values = seen.found[selection.variable].values[0]
    places = _visits(seen, grid, selection, endpoint)
    values = values[..., None] if isinstance(endpoint, AtVisit) else values
    recorded = grid.column(selection.column)[..., places]
    same = np.isfinite(values) & (values == recorded)
    other = np.isfinite(values) & ~same
    target = estimand(seen.protocol, selection.variable)
    if other.any() and target is None:
        raise TrialError(f"evidence: {selection.variable} is not what SDTM holds in {int(other.sum())} records")
    extra = np.argwhere(other)
    made = pd.DataFrame({"subject": extra[:, 0], "period": extra[:, 1], "place": np.asarray(places)[extra[:, 2]]})
    if target is not None and len(made):
        made = made.assign(**_derived(seen, grid, selection, endpoint, other))
    return grid.record[..., places][same], made


def _visits(seen: Recorded, grid: Grid, selection: Selection, endpoint: AtVisit | Repeated) -> list[int]:
    """Places of the visits of a variable among those of its measurement."""
    several = seen.found[selection.variable].visits
    visits = np.asarray([endpoint.visit]) if isinstance(endpoint, AtVisit) else np.asarray(several)
    return [int(np.flatnonzero(grid.planned == visit)[0]) for visit in visits]


def _derived(
    seen: Recorded, grid: Grid, selection: Selection, endpoint: AtVisit | Repeated, where: Array
) -> dict[str, Array]:
    """Values of derived records (subject, period, visit): carried forward, or those of a failure."""
    target = estimand(seen.protocol, selection.variable)
    assert target is not None, "only estimands have derived records"
    whole = target.find(replace(endpoint, kind="value"), seen.course).values[0]
    value = (whole[..., None] if isinstance(endpoint, AtVisit) else whole)[where]
    wanted = seen.found[selection.variable].values[0]
    wanted = (wanted[..., None] if isinstance(endpoint, AtVisit) else wanted)[where]
    base = np.broadcast_to(grid.base, (*grid.value.shape[:-1], where.shape[-1]))[where]
    change = value - base
    with np.errstate(divide="ignore", invalid="ignore"):
        columns = {"AVAL": value, "CHG": change, "PCHG": np.where(base == 0, np.nan, 100 * change / base)}
    carried = columns[selection.column] == wanted
    columns = {name: np.where(carried, each, np.nan) for name, each in columns.items()}
    columns[selection.column] = wanted
    return {**columns, "DTYPE": np.where(carried, LOCF, FAILURE)}


def _traced(grid: Grid, frame: pd.DataFrame, extra: pd.DataFrame) -> pd.DataFrame:
    """Derived records with sequence number and time of the record that was carried forward; of others without."""
    at = tuple(extra[name].to_numpy(dtype=int) for name in ("subject", "period", "place"))
    values, earlier = grid.value[at[:2]], np.arange(len(grid.planned)) <= at[2][:, None]
    same = earlier & (values == extra["AVAL"].to_numpy()[:, None]) & (extra["DTYPE"] == LOCF).to_numpy()[:, None]
    last = same.shape[1] - 1 - np.argmax(same[:, ::-1], axis=1)
    record = np.where(same.any(axis=1), grid.record[at[0], at[1], last], -1)
    source = frame[["SEQ", "DTC", "DY"]].reindex(record).reset_index(drop=True)
    return pd.concat([extra.reset_index(drop=True), source.assign(DTC=source["DTC"].fillna(""))], axis=1)


def _visit_of(seen: Recorded, grid: Grid, extra: pd.DataFrame) -> Array:
    """Name of the planned visit of derived records."""
    visits = planned(seen.protocol, tuple(seen.course.starts))
    made = np.full(len(extra), "", dtype=object)
    for period, start in enumerate(seen.course.starts):
        mine = extra["period"].to_numpy(dtype=int) == period
        times = start + grid.planned[extra["place"].to_numpy(dtype=int)[mine]]
        made[mine] = visits.names[visits.of(clock.planned_day(times, seen.second), period)]
    return made


def _told(seen: Recorded, domain: str, frame: pd.DataFrame) -> Iterator[Variable]:
    """What SDTM says of each record, and how long after the start it was."""
    unit = seen.protocol.model.time
    texts = {"PARAM": ("Parameter", f"{domain}.{domain}TEST and {domain}.{domain}STRESU"),
             "PARAMCD": ("Parameter Code", f"{domain}.{domain}TESTCD")}  # fmt: skip
    yield from ((derived(name, *told, core="Req"), frame[name]) for name, told in texts.items())
    yield assigned("PARAMN", "Parameter (N)", kind="integer", format="8."), frame["PARAMN"]
    yield derived("AVISIT", "Analysis Visit", f"{domain}.VISIT and {domain}.{domain}TPT"), frame["VISIT"]
    yield derived("AVISITN", "Analysis Visit (N)", "Order of the planned time", "integer"), frame["place"] + 1.0
    about = f"Planned time of the visit, in the trial's unit of time ({unit})"
    yield derived("NRRLT", "Nominal Rel. Time from Start of Period", about, "float", format="12.4"), frame["NRRLT"]
    source = f"{domain}.{domain}DTC"
    yield derived("ADT", "Analysis Date", source, "integer", format=dates.DATE), dates.day(frame["DTC"])
    taken = dates.moment(frame["DTC"])
    yield derived("ADTM", "Analysis Datetime", source, "float", format=dates.TIME), taken
    yield predecessor("ADY", "Analysis Relative Day", f"{domain}.{domain}DY", "integer", format="8."), frame["DY"]
    there = frame["SEQ"].notna()
    yield assigned("SRCDOM", "Source Data", "SDTM domain of the record"), np.where(there, domain, "")
    yield assigned("SRCVAR", "Source Variable"), np.where(there, f"{domain}STRESN", "")
    yield predecessor(f"{domain}SEQ", "Sequence Number", f"{domain}.{domain}SEQ", "integer", format="8."), frame["SEQ"]


def _elapsed(seen: Recorded, domain: str, frame: pd.DataFrame) -> Iterator[Variable]:
    """Of concentrations, how long after the start of treatment and of the period they were planned and taken."""
    if domain != "PC":
        return
    unit = seen.protocol.model.time
    people = seen.sdtm["DM"].frame.set_index("USUBJID")["RFSTDTC"].reindex(list(seen.subjects))
    start = dates.moment(people)[frame["subject"].to_numpy(dtype=int)]
    after = (dates.moment(frame["DTC"]) - start) / seen.second
    begun = np.asarray(seen.course.starts)[frame["period"].to_numpy(dtype=int)]
    values = {
        "AFRLT": ("Actual Rel. Time from First Dose", "PC.PCDTC less DM.RFSTDTC", after),
        "NFRLT": ("Nominal Rel. Time from First Dose", "Planned", begun + frame["NRRLT"]),
        "ARRLT": ("Actual Rel. Time from Start of Period", "AFRLT less the start of the period", after - begun),
    }
    for name, (label, source, value) in values.items():
        yield derived(name, label, f"{source}, in the trial's unit of time ({unit})", "float", format="12.4"), value


def _analysed(frame: pd.DataFrame, selections: Sequence[Selection]) -> Iterator[Variable]:
    yield derived("AVAL", "Analysis Value", "--STRESN; by the rule of the measurement where it is below the limit of "
                  "quantification; in records with DTYPE as that says", "float"), frame["AVAL"]  # fmt: skip
    yield derived("BASE", "Baseline Value", "AVAL of the record with ABLFL=Y of the period", "float"), frame["BASE"]
    yield derived("CHG", "Change from Baseline", "AVAL - BASE", "float"), frame["CHG"]
    yield derived("PCHG", "Percent Change from Baseline", "100 * (AVAL - BASE) / BASE", "float"), frame["PCHG"]
    yield derived("ABLFL", "Baseline Record Flag", "Y at the planned baseline", codelist="NY"), frame["ABLFL"]
    about = (
        "LOCF: last value before an intercurrent event, with date and sequence number of its record; FAILURE: value of "
        "the estimand's composite strategy"
    )
    yield derived("DTYPE", "Derivation Type", about, codelist="DTYPE"), frame["DTYPE"]
    yield (
        derived("BLQFL", "Below Limit of Quantification Flag", "--STRESC begins with <", codelist="NY"),
        frame["BLQFL"],
    )
    for one in selections:
        about = f"Y in the records that are the trial's variable {one.variable} ({one.column})"
        label = f"Analysis Flag {one.flag[3:5]} - {one.variable}"[:40]
        yield derived(one.flag, label, about, codelist="NY"), frame[one.flag]
