"""Times of events of new people beside those that were seen: Kaplan-Meier curves over what the population predicts."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from cohorts.calibration.data import IndividualData, individual_data
from cohorts.calibration.people import changing, new_people, predictor, told_apart
from cohorts.calibration.rows import measurements
from cohorts.drawing.streams import Stream, generator
from cohorts.errors import PopulationError
from cohorts.judgement.montecarlo import quantile_error
from cohorts.judgement.seen import Seen, seen, strata
from cohorts.judgement.seen import group as group_of
from cohorts.specification.outcomes import Outcome
from cohorts.specification.population import Population
from cohorts.specification.quantities import Array

Predict = Callable[[Mapping[str, Any]], Any]


def event_requests(
    population: Population, data: Any, *, output: str = "", points: int = 60, until: float | None = None
) -> xr.Dataset:
    """Rows at which `event_check` needs the model: the cumulative hazard of every person along their follow-up.

    Parameters
    ----------
    population, data
        As they were given to `calibrate`.
    output
        Which event; may be left out when the population has only one.
    points
        Times at which the cumulative hazard is asked for, evenly from 0 on; it is straight between them.
    until
        Where they end: by default at the last record of the event in the data.

    Returns
    -------
    xr.Dataset
        Dim row: ``subject``, ``time``, ``output`` (the cumulative hazard) and ``occasion`` (that of the person's record
        of the event), all rows of the first person, then those of the next.

    Raises
    ------
    PopulationError
        If there is no such event, or a person has no record of it or several.
    """
    if isinstance(points, bool) or not isinstance(points, int) or points < 2:
        raise PopulationError(f"points: got {points!r}, wanted a whole number >= 2")
    people = individual_data(data)
    endpoint, index = _event(population, people, output)
    time = people.observations["time"].values[index].astype(np.float64)
    end = float(time.max()) if until is None else float(until)
    if not end > 0.0:
        raise PopulationError(f"until: got {until!r}, wanted a time > 0")
    count = len(people.subjects)
    columns = {
        "subject": np.repeat(people.subjects, points),
        "time": np.tile(np.linspace(0.0, end, points), count),
        "output": np.full(points * count, endpoint.requests[1]),
        "occasion": np.repeat(people.occasion[index], points),
    }
    return xr.Dataset({k: ("row", v) for k, v in columns.items()}, attrs={"event": endpoint.output})


def event_check(
    tree: xr.DataTree,
    population: Population,
    data: Any,
    predict: Predict,
    *,
    requests: xr.Dataset,
    replicates: int = 500,
    seed: int = 0,
    prior: bool = False,
) -> xr.DataTree:
    """Tree with a group event_check: what new people with the same design would meet, each replicate a draw.

    An event comes when the cumulative hazard reaches a standard exponential number. A person whom the data saw
    censored is followed as long; one who had the event, whose follow-up would have been longer, to the end of the
    requests. Without an event by then they are censored.

    Parameters
    ----------
    tree
        Result of `calibrate`.
    population, data
        As they were given to `calibrate`.
    predict
        The equations at the rows of `requests`, as `calibrate` takes them.
    requests
        Result of `event_requests`.
    replicates
        How many times the people are drawn anew.
    seed
        Seed of the people and their events.
    prior
        Whether population-level values come from the prior instead; the group is then prior_event_check.

    Raises
    ------
    PopulationError
        If tree, data and requests do not belong together.
    """
    people = individual_data(data)
    if tree.attrs.get("data_digest") != people.digest:
        raise PopulationError("posterior: fitted to other data than those given; wanted the same")
    name = str(requests.attrs.get("event", ""))
    _, index = _event(population, people, name)
    asked = requests["time"].to_numpy().reshape(len(people.subjects), -1)
    occasions = told_apart(population, people)
    function = predictor(
        predict, population.parameter_names, len(people.subjects), occasions=occasions, changing=changing(population)
    )
    known = None if prior else tree
    drawn, _ = new_people(population, people, seed=seed, replicates=replicates, posterior=known)
    hazard = function(drawn).reshape(replicates, *asked.shape)
    noise = generator(seed, Stream.JUDGEMENT, len(index), int(prior), 0).random((replicates, len(index)))
    record = people.observations.isel(observation=index)
    end = np.where(record["dv"].values == 1.0, asked[:, -1], record["time"].values.astype(np.float64))
    time, event = _times(hazard, asked, -np.log1p(-noise), end)
    made = xr.Dataset(
        {"time": (("replicate", "subject"), time), "event": (("replicate", "subject"), event)},
        {"subject": people.subjects},
        {"output": name, "until": float(asked.max()), "seed": seed},
    )
    whole = tree.copy()
    whole["prior_event_check" if prior else "event_check"] = xr.DataTree(made)
    return whole


def _event(population: Population, data: IndividualData, output: str) -> tuple[Outcome, NDArray[np.intp]]:
    """The event, and the place of each person's record of it among the observations."""
    events = [o for o in population.outcomes if not o.told]
    names = [o.output for o in events]
    if output not in names and not (not output and len(names) == 1):
        raise PopulationError(f"output: got {output!r}, wanted an event, one of {names}")
    endpoint = events[names.index(output) if output else 0]
    found = [one for one in measurements(population, data) if one.output == endpoint.output]
    index = found[0].index if found else np.empty(0, dtype=np.intp)
    count = np.bincount(data.position[index], minlength=len(data.subjects))
    if (count != 1).any():
        who = data.subjects[count != 1].tolist()
        raise PopulationError(f"{endpoint.output}: wanted one record of each person; others have {who[:5]}")
    return endpoint, index[np.argsort(data.position[index])]


def _times(hazard: Array, asked: Array, limit: Array, end: Array) -> tuple[Array, NDArray[np.bool_]]:
    """Time to event or censoring (replicate, subject), and whether it was an event.

    `hazard` is cumulative, (replicate, subject, point), at times `asked` (subject, point); the event comes where it
    reaches `limit` (replicate, subject), unless `end` (subject) comes first.
    """
    if not np.isfinite(hazard).all() or (np.diff(hazard, axis=-1) < -1e-9).any():
        raise PopulationError("predict: the cumulative hazard is no finite number that never falls")
    reached = np.sum(hazard < limit[..., None], axis=-1)
    right = np.clip(reached, 1, hazard.shape[-1] - 1)
    low, high = (np.take_along_axis(hazard, (right - i)[..., None], axis=-1)[..., 0] for i in (1, 0))
    t = np.broadcast_to(asked, hazard.shape)
    before, after = (np.take_along_axis(t, (right - i)[..., None], axis=-1)[..., 0] for i in (1, 0))
    part = np.clip((limit - low) / np.maximum(high - low, np.finfo(float).tiny), 0.0, 1.0)
    when = np.where(reached < hazard.shape[-1], before + part * (after - before), np.inf)
    event = when <= end
    return np.where(event, when, end), event


def kaplan_meier_check(
    tree: xr.DataTree,
    *,
    group: str = "event_check",
    times: Sequence[float] | None = None,
    level: float = 0.9,
    stratify: str | None = None,
) -> xr.Dataset:
    """Kaplan-Meier curves of the data beside those of new people: a visual predictive check of times to an event.

    Kaplan & Meier 1958, doi:10.1080/01621459.1958.10501452.

    Parameters
    ----------
    tree
        Result of `event_check`.
    group
        ``event_check`` or ``prior_event_check``.
    times
        Times at which the curves are compared; by default 50, evenly to the end.
    level
        Probability within the band.
    stratify
        Covariate of constant_data to split by; one of many values is split at its median.

    Returns
    -------
    xr.Dataset
        Dims stratum, time: ``observed``, the share without an event; ``lower``, ``median`` and ``upper`` of the
        replicates with the Monte Carlo errors ``lower_mcse`` and so on; ``at_risk``, the number of people in the data.
        ``attrs["inside"]`` is the share of compared times at which the observed curve lies within the band.

    Raises
    ------
    PopulationError
        If the group is missing, or `level` is no probability.
    """
    if not 0.0 < level < 1.0:
        raise PopulationError(f"level: got {level!r}, wanted a number between 0 and 1")
    if group not in tree.children:
        raise PopulationError(f"posterior: has no group {group}; add it by event_check")
    drawn = group_of(tree, group)
    data = seen(tree, str(drawn.attrs["output"]))
    at = np.linspace(0.0, drawn.attrs["until"], 50) if times is None else np.asarray(times, dtype=np.float64)
    which, names = strata(tree, stratify, data)
    parts = [_compared(data, drawn, np.flatnonzero(which == i), at, level) for i in range(len(names))]
    made = xr.concat(parts, "stratum").assign_coords(stratum=list(names), time=at)
    inside = (made["observed"] >= made["lower"]) & (made["observed"] <= made["upper"])
    about = {**data.about, "group": group, "level": level, "inside": float(inside.mean()), "stratify": stratify or ""}
    return made.assign_attrs(about)


def _compared(data: Seen, drawn: xr.Dataset, rows: NDArray[np.intp], at: Array, level: float) -> xr.Dataset:
    person = data.position[rows]
    own = survival(data.time[rows][None], data.dv[rows][None] == 1.0, at)[0]
    time, event = (drawn[n].transpose("replicate", "subject").to_numpy()[:, person] for n in ("time", "event"))
    again = survival(time, event.astype(bool), at)
    tail = (1.0 - level) / 2.0
    made: dict[str, Any] = {"observed": ("time", own)}
    for name, share in (("lower", tail), ("median", 0.5), ("upper", 1.0 - tail)):
        made[name] = ("time", np.quantile(again, share, axis=0))
        made[f"{name}_mcse"] = ("time", quantile_error(again, share))
    made["at_risk"] = ("time", (data.time[rows][:, None] >= at).sum(axis=0))
    return xr.Dataset(made)


def survival(time: Array, event: NDArray[np.bool_], at: Array) -> Array:
    """Kaplan-Meier estimate of each row at times `at`, (row, time), from times and events (row, person)."""
    # Events of one time stand before the censored ones; one factor each is then the same as one for all of the time,
    # as (1 - 1/n)(1 - 1/(n - 1)) is 1 - 2/n.
    order = np.lexsort((~event, time), axis=-1)
    when, had = np.take_along_axis(time, order, axis=1), np.take_along_axis(event, order, axis=1)
    n = time.shape[1]
    left = np.cumprod(np.where(had, 1.0 - 1.0 / (n - np.arange(n)), 1.0), axis=1)
    whole = np.concatenate([np.ones((len(time), 1)), left], axis=1)
    return np.stack([row[np.searchsorted(t, at, side="right")] for row, t in zip(whole, when, strict=True)])
