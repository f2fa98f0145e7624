"""A data set to calibrate with: its file, what its columns mean, what is left out and why, where it comes from."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cohorts
import engine
from engine.models.algebras.units import same, unit
from trials.errors import TrialError

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = {
    "subject": "ID", "time": "TIME", "amount": "AMT", "event": "EVID", "missing": "MDV", "value": "DV", "rate": "RATE",
    "compartment": "CMT", "interval": "II", "additional": "ADDL", "steady_state": "SS", "endpoint": "endpoint",
    "occasion": "occasion", "blq": "blq", "lloq": "lloq", "site": "site", "study": "study",
}  # fmt: skip
"""What a column may mean, and its name in an event table: NONMEM's, or that of `cohorts.IndividualData`. ``endpoint``
tells what a value is of (see ``outputs``); ``occasion`` counts from its least value; ``blq`` is 1 below ``lloq``."""
WANTED = ("subject", "time", "amount", "value")
UNITS = ("time", "amount", "value")
FIELDS = ("name", "title", "file", "sha256", "columns", "units", "into", "output", "outputs", "exclude",
          "provenance", "reference_fits")  # fmt: skip


@dataclass(frozen=True, slots=True)
class Exclusion:
    """Observations left out: those whose column has this value."""

    column: str
    equals: float
    reason: str


@dataclass(frozen=True, slots=True)
class DataSource:
    """A CSV file with one record a line, and what it takes to read it."""

    name: str
    title: str
    path: Path
    sha256: str
    columns: tuple[tuple[str, str], ...]
    """What a column means, and its name in the file."""
    into: str
    """State of the model that the doses go into."""
    output: str
    """What was measured: an output of the model; empty where `outputs` tell."""
    exclude: tuple[Exclusion, ...]
    outputs: tuple[tuple[str, str], ...] = ()
    """Values of the column ``endpoint``, and what they are of: outputs of the model, outcomes of the population."""

    def events(self, model: engine.Model) -> engine.EventTable:
        """Read and check the file.

        Raises
        ------
        TrialError
            When the file is not the one described, or lacks a column.
        DataError
            When a record makes no sense.
        """
        import pandas as pd

        if (found := hashlib.sha256(self.path.read_bytes()).hexdigest()) != self.sha256:
            raise TrialError(f"data.sha256: {self.path.name} has {found}, the description says {self.sha256}")
        frame = pd.read_csv(self.path, na_values=["."])
        self._check_columns(frame.columns)
        kept = self._exclude(frame)
        kept = kept.rename(columns={name: COLUMNS[meaning] for meaning, name in self.columns})
        if "occasion" in kept:
            kept = kept.assign(occasion=kept["occasion"].rank(method="dense") - 1.0)
        if "CMT" not in kept:
            kept = kept.assign(CMT=model.state_names.index(self.into) + 1)
        return engine.read_nonmem(kept)

    def individuals(self, events: engine.EventTable) -> cohorts.IndividualData:
        """Measurements and covariates as a population is fitted to them.

        Raises
        ------
        TrialError
            When a value of the column ``endpoint`` is none of `outputs`.
        """
        observations = events.observations
        if self.outputs:
            named = dict(self.outputs)
            written = [_word(value) for value in observations["endpoint"].values.tolist()]
            if strange := sorted(set(written) - set(named)):
                raise TrialError(f"data.outputs: endpoint {strange[0]} of {self.path.name} is not described")
            observations = observations.assign(output=("observation", [named[value] for value in written]))
        return cohorts.IndividualData(observations, events.covariates)

    def _check_columns(self, have: Iterable[str]) -> None:
        have = list(have)
        for name in [*(name for _, name in self.columns), *(exclusion.column for exclusion in self.exclude)]:
            if name not in have:
                raise TrialError(f"data.columns: {self.path.name} has no column {name!r}; it has {', '.join(have)}")

    def _exclude(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Drop the observations that are to be left out; doses stay."""
        amount = frame[dict(self.columns)["amount"]].fillna(0.0)
        for exclusion in self.exclude:
            out = (frame[exclusion.column] == exclusion.equals) & (amount.reindex(frame.index) == 0)
            if not out.any():
                rule = f"{exclusion.column} = {exclusion.equals:g}"
                raise TrialError(f"data.exclude: no observation of {self.path.name} has {rule}")
            frame = frame[~out]
        return frame


def read_source(spec: Mapping[str, Any], model: engine.Model, folders: Sequence[Path]) -> DataSource:
    """Data source from its description, checked against the model.

    Raises
    ------
    TrialError
        Naming the field, what it got and what it wanted.
    """
    _only("data", spec, FIELDS)
    columns, units = dict(spec.get("columns") or {}), dict(spec.get("units") or {})
    outputs = {_word(value): str(name) for value, name in (spec.get("outputs") or {}).items()}
    _check_outputs(spec, columns, outputs)
    for field in ("name", "title", "file", "sha256", "into", *(() if outputs else ("output",))):
        if not isinstance(spec.get(field), str):
            raise TrialError(f"data.{field}: wants a text, got {spec.get(field)!r}")
    _only("data.columns", columns, COLUMNS, WANTED)
    _only("data.units", units, UNITS, UNITS)
    source = DataSource(
        name=spec["name"],
        title=spec["title"],
        path=_find(spec["file"], folders),
        sha256=spec["sha256"],
        columns=tuple(columns.items()),
        into=spec["into"],
        output="" if outputs else spec["output"],
        exclude=tuple(_exclusion(index, row) for index, row in enumerate(spec.get("exclude") or ())),
        outputs=tuple(outputs.items()),
    )
    _check_model(source, units, model)
    return source


def _check_outputs(spec: Mapping[str, Any], columns: Mapping[str, str], outputs: Mapping[str, str]) -> None:
    if outputs and spec.get("output") is not None:
        raise TrialError("data.outputs: wants either `output` or `outputs`, got both")
    if bool(outputs) != ("endpoint" in columns):
        raise TrialError("data.outputs: wants both a column `endpoint` and what its values are of, or neither")


def _word(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def _check_model(source: DataSource, units: Mapping[str, Any], model: engine.Model) -> None:
    states = {state.name: state.unit for state in model.states}
    outputs = {output.name: output.unit for output in model.outputs}
    measured = [("output", source.output)] if source.output else []
    for field, name, known in (("into", source.into, states), *((f, n, outputs) for f, n in measured)):
        if name not in known:
            raise TrialError(f"data.{field}: got {name!r}, wants one of {', '.join(known)} of model {model.name}")
    wanted = {"time": model.time, "amount": states[source.into]}
    for meaning, wanted_unit in wanted.items():
        _same_unit(meaning, units[meaning], wanted_unit, model)
    names = [source.output] if source.output else [name for _, name in source.outputs if name in outputs]
    values = units["value"] if isinstance(units["value"], Mapping) else dict.fromkeys(names, units["value"])
    _only("data.units.value", values, names, names)
    for name, written in values.items():
        _same_unit("value" if source.output else f"value.{name}", written, outputs[name], model)


def _same_unit(meaning: str, got: str, wanted: str, model: engine.Model) -> None:
    if not same(unit(got), unit(wanted)):
        raise TrialError(f"data.units.{meaning}: got {got!r}, model {model.name} wants {wanted!r}")


def _exclusion(index: int, row: Mapping[str, Any]) -> Exclusion:
    _only(f"data.exclude[{index}]", row, ("column", "equals", "reason"), ("column", "equals", "reason"))
    return Exclusion(str(row["column"]), float(row["equals"]), str(row["reason"]))


def _only(where: str, spec: Mapping[str, Any], known: Iterable[str], wanted: Iterable[str] = ()) -> None:
    known = list(known)
    for key in spec:
        if key not in known:
            raise TrialError(f"{where}.{key}: unknown field; known are {', '.join(known)}")
    for key in wanted:
        if spec.get(key) is None:
            raise TrialError(f"{where}.{key}: missing")


def _find(file: str, folders: Sequence[Path]) -> Path:
    """Look for a file as it is written, then in the given folders, then beside the descriptions that come along."""
    here = Path(__file__).resolve().parent
    ours = (here.parent / "conf" / "data", here / "_conf" / "data")
    homes = [Path(), *folders, *(folder / "data" for folder in folders), *ours]
    for home in homes:
        if (home / file).is_file():
            return home / file
    raise TrialError(f"data.file: there is no file {file!r} here or beside the descriptions of data sets")
