"""Analysis results of every simulated trial, and the operating characteristics that follow from them, as data sets."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import xarray as xr

from trials.evidence.adam.making import OTHER, held
from trials.evidence.table import Column, Kind, Table

if TYPE_CHECKING:
    from trials.evidence.study import Study

DIMS = ("scenario", "replicate", "analysis")
SOURCE = "outcomes.parquet"
LENGTH = 8
"""Most characters of a variable's name in a transport file."""


@dataclass(frozen=True, slots=True)
class Number:
    """A numeric outcome: name of its variable, label, display format, and whether it is a whole number."""

    name: str
    label: str
    format: str = ""
    whole: bool = False


KNOWN: Mapping[str, Number] = {
    "estimate": Number("ESTIMATE", "Estimate of the Effect", "8.4"),
    "se": Number("SE", "Standard Error of the Estimate", "8.4"),
    "df": Number("DF", "Degrees of Freedom", "8.1"),
    "statistic": Number("STAT", "Test Statistic", "8.3"),
    "p": Number("PVALUE", "P-Value", "8.4"),
    "probability": Number("PROB", "Posterior Probability", "8.4"),
    "lower": Number("LOWER", "Lower Limit of the Interval", "8.4"),
    "upper": Number("UPPER", "Upper Limit of the Interval", "8.4"),
    "decision": Number("DECISION", "Decision for an Effect (1=Yes, 0=No)", "1.", whole=True),
    "n": Number("N", "Number of Subjects Analysed", "8.", whole=True),
    "failed": Number("FAILED", "Analysis Failed (1=Yes, 0=No)", "1.", whole=True),
    "duration": Number("DURATION", "Duration of the Trial", "8.2"),
    "cost": Number("COST", "Cost of the Trial", "12.2"),
    "subjects_failed": Number("SUBJFAIL", "Subjects Whom the Solver Failed", "8.", whole=True),
}
"""Outcomes that every analysis, or every trial, may have; others are named after themselves."""

TRUTH: Mapping[str, Number] = {
    "effect": Number("TRUEEFF", "True Effect", "8.4"),
    "mcse": Number("TRUEMCSE", "Monte Carlo Std. Error of True Effect", "8.4"),
    "null": Number("NULLFL", "Null Hypothesis Is True (1=Yes, 0=No)", "1.", whole=True),
}


def replicates(study: Study) -> tuple[Table, Table]:
    """Analysis results of all simulated trials (ADSIM) and operating characteristics (ADOC).

    ADSIM has one record a scenario, replicate and analysis, and alone suffices to compute every characteristic anew
    (`outcomes`, then `trials.operating.characteristics`). Neither data set has subjects.
    """
    return _results(study), _characteristics(study)


def outcomes(table: Table) -> tuple[xr.Dataset, xr.Dataset]:
    """Outcomes (scenario, replicate, analysis) and truth (scenario, analysis) as ADSIM holds them."""
    frame = table.frame
    labels = {dim: frame[name].unique() for dim, name in zip(DIMS, ("SCENARIO", "REPNUM", "ANALYSIS"), strict=True)}
    shape = tuple(len(values) for values in labels.values())
    order = frame.assign(
        SCENARIO=pd.Categorical(frame["SCENARIO"], labels["scenario"]),
        ANALYSIS=pd.Categorical(frame["ANALYSIS"], labels["analysis"]),
    ).sort_values(["SCENARIO", "REPNUM", "ANALYSIS"])
    cubes = {name: _whole(order, name).reshape(shape) for name in order.columns}
    coords = {dim: np.asarray(values, dtype=str if dim != "replicate" else np.int64) for dim, values in labels.items()}
    made = {str(column.source.split(".")[-1]): column.name for column in table.columns if _traced(column)}
    data = {name: (DIMS, cubes[column]) for name, column in made.items()}
    extra = {"decides": (DIMS[2:], cubes["DECIDES"][0, 0] > 0), "level": (DIMS[2:], cubes["LEVEL"][0, 0]),
             "scale": (DIMS[2:], cubes["SCALE"][0, 0].astype(str))}  # fmt: skip
    truth = {name: (DIMS[::2], cubes[number.name][:, 0]) for name, number in TRUTH.items()}
    truth["null"] = (DIMS[::2], cubes["NULLFL"][:, 0] > 0)
    keep = {dim: coords[dim] for dim in DIMS[::2]}
    return xr.Dataset(data, coords=coords | extra), xr.Dataset(truth, coords=keep)


def _whole(frame: pd.DataFrame, name: str) -> np.ndarray:
    """Values of a variable, infinite ones as they were."""
    values = frame[name].to_numpy()
    if values.dtype != np.float64:
        return values
    told = frame["INFINITE"].astype(str)
    for sign, number in (("-", -np.inf), ("+", np.inf)):
        values = np.where(told.str.contains(f"{name}={sign}INF", regex=False), number, values)
    return np.asarray(values)


def _traced(column: Column) -> bool:
    """Whether it is an outcome of a replicate."""
    return column.source.startswith(f"{SOURCE}:outcome.")


def _results(study: Study) -> Table:
    found, truth = study.outcomes, study.truth
    shape = tuple(found.sizes[dim] for dim in DIMS)
    grids = np.meshgrid(*(found[dim].values for dim in DIMS), indexing="ij")
    endpoints = {analysis.name: analysis.endpoint for analysis in study.trial.protocol.analyses}
    frame: dict[str, object] = {
        "STUDYID": _identifier(study),
        "SIMFL": "Y",
        "SCENARN": _order(found["scenario"].values, shape, 0),
        "SCENARIO": grids[0].ravel().astype(str),
        "REPNUM": grids[1].ravel().astype(float),
        "ANALYSN": _order(found["analysis"].values, shape, 2),
        "ANALYSIS": grids[2].ravel().astype(str),
        "ENDPOINT": [endpoints[name] for name in grids[2].ravel().tolist()],
        "SCALE": _spread(found["scale"].values[None, None], shape).astype(str),
        "LEVEL": _spread(found["level"].values[None, None], shape),
        "DECIDES": _spread(found["decides"].values[None, None], shape).astype(float),
    }
    numbers = named(map(str, found.data_vars))
    frame |= {n.name: found[name].transpose(*DIMS).values.ravel().astype(float) for name, n in numbers.items()}
    frame |= {n.name: _spread(truth[name].values[:, None], shape).astype(float) for name, n in TRUTH.items()}
    frame["INFINITE"] = _infinite({number.name: np.asarray(frame[number.name]) for number in numbers.values()})
    columns = (
        *IDENTIFIED, *OF_ANALYSIS,
        *(_column(number, f"{SOURCE}:outcome.{name}") for name, number in numbers.items()),
        *(_column(number, f"{SOURCE}:true_{name}") for name, number in TRUTH.items()),
        INFINITE,
    )  # fmt: skip
    return _table("ADSIM", "SIMULATED Results of All Trials", ("SCENARN", "REPNUM", "ANALYSN"), columns, frame)


def _characteristics(study: Study) -> Table:
    rows = [
        (place + 1.0, scenario, number + 1.0, analysis, name, one["value"], one["mcse"], one["replicates"])
        for place, (scenario, analyses) in enumerate(study.characteristics.items())
        for number, (analysis, found) in enumerate(analyses.items())
        for name, one in found.items()
    ]
    names = ("SCENARN", "SCENARIO", "ANALYSN", "ANALYSIS", "CHARACT", "AVAL", "MCSE", "NREP")
    frame: dict[str, object] = {"STUDYID": [_identifier(study)] * len(rows), "SIMFL": ["Y"] * len(rows)}
    frame |= {name: [row[index] for row in rows] for index, name in enumerate(names)}
    identifiers = tuple(column for column in IDENTIFIED if column.name != "REPNUM")
    columns = (*identifiers, *OF_CHARACTERISTIC)
    keys = ("SCENARN", "ANALYSN", "CHARACT")
    return _table("ADOC", "SIMULATED Operating Characteristics", keys, columns, frame)


IDENTIFIED = (
    Column("STUDYID", "Study Identifier", origin="Assigned", core="Req"),
    Column("SIMFL", "Simulated Data Flag", origin="Assigned", codelist="NY", core="Req",
           source="SIMULATED DATA: no record stems from a person"),
    Column("SCENARN", "Scenario (N)", "integer", origin="Assigned", source="Its place in the trial", format="8."),
    Column("SCENARIO", "Scenario", origin="Protocol", core="Req"),
    Column("REPNUM", "Replicate Number (from 0)", "integer", origin="Assigned", format="8.", core="Req"),
    Column("ANALYSN", "Analysis (N)", "integer", origin="Assigned", source="Its place in the trial", format="8."),
    Column("ANALYSIS", "Analysis", origin="Protocol", core="Req"),
)  # fmt: skip

OF_ANALYSIS = (
    Column("ENDPOINT", "Endpoint or Estimand Analysed", origin="Protocol"),
    Column("SCALE", "Scale of the Estimate", origin="Protocol"),
    Column("LEVEL", "Level of the Interval", "float", origin="Protocol", format="8.3"),
    Column("DECIDES", "Analysis Takes a Decision (1=Yes, 0=No)", "integer", origin="Protocol", format="1."),
)

OF_CHARACTERISTIC = (
    Column("CHARACT", "Operating Characteristic", origin="Assigned", core="Req"),
    Column("AVAL", "Analysis Value", "float", source="ADSIM records of the scenario and analysis: "
           "trials.operating.characteristics", core="Req"),
    Column("MCSE", "Monte Carlo Standard Error", "float", source="As AVAL"),
    Column("NREP", "Number of Replicates It Rests On", "integer", source="As AVAL", format="8."),
)  # fmt: skip


INFINITE = Column(
    "INFINITE",
    "Variables That Are Infinite",
    origin="Assigned",
    source="Transport files hold no infinite number: LOWER=-INF says that a missing LOWER stands for minus infinity",
)


def _infinite(numbers: Mapping[str, np.ndarray]) -> np.ndarray:
    """For each record the variables that are infinite: ``LOWER=-INF UPPER=+INF``."""
    told = np.zeros(len(next(iter(numbers.values()))), dtype=object)
    told[:] = ""
    for name, values in numbers.items():
        for sign, where in (("-", np.isneginf(values)), ("+", np.isposinf(values))):
            told[where] = [f"{before} {name}={sign}INF".strip() for before in told[where]]
    return told


def named(outcomes: Iterable[str]) -> dict[str, Number]:
    """Variables of numeric outcomes; one that is not `KNOWN` gets a name of its own letters."""
    made: dict[str, Number] = {}
    taken = {column.name for column in (*IDENTIFIED, *OF_ANALYSIS)} | {number.name for number in TRUTH.values()}
    for outcome in outcomes:
        number = KNOWN.get(outcome) or Number(short(outcome, taken), outcome.replace("_", " ").capitalize()[:40])
        taken.add(number.name)
        made[outcome] = number
    return made


def short(name: str, taken: Iterable[str]) -> str:
    """Name of at most 8 characters, A-Z and 0-9, that is not taken: letters of `name`, at the end digits if needed."""
    letters = "".join(letter for letter in name.upper() if letter.isascii() and letter.isalnum()) or "X"
    letters = letters if letters[0].isalpha() else f"X{letters}"
    used, candidate, count = {*taken, INFINITE.name}, letters[:LENGTH], 1
    while candidate in used:
        count += 1
        candidate = f"{letters[: LENGTH - len(str(count))]}{count}"
    return candidate


def _column(number: Number, source: str) -> Column:
    kind: Kind = "integer" if number.whole else "float"
    return Column(number.name, number.label, kind, source=source, format=number.format)


def _table(name: str, label: str, keys: Sequence[str], columns: Sequence[Column], frame: Mapping[str, object]) -> Table:
    table = pd.DataFrame(dict(frame))[[column.name for column in columns]]
    for column in columns:
        table[column.name] = table[column.name].astype(str) if column.kind == "text" else held(table[column.name])
    table = table.sort_values(list(keys), kind="stable", ignore_index=True)
    structure = f"One record per {', '.join(keys).lower()}"
    return Table(name, label, structure, OTHER, keys, columns, table, repeating=True, reference=False)


def _order(names: np.ndarray, shape: tuple[int, ...], axis: int) -> np.ndarray:
    """Place of each record's name, from 1."""
    sizes = [1] * len(shape)
    sizes[axis] = len(names)
    return _spread((np.arange(len(names)) + 1.0).reshape(sizes), shape)


def _spread(values: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    return np.broadcast_to(values, shape).ravel()


def _identifier(study: Study) -> str:
    from trials.evidence.study import identifier

    return identifier(study.trial, study.manifest)
