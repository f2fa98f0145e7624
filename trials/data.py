"""A data set to calibrate with: its file, what its columns mean, what is left out and why, where it comes from."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import engine
from engine.models.algebras.units import same, unit
from trials.errors import TrialError

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = {
    "subject": "ID", "time": "TIME", "amount": "AMT", "event": "EVID", "missing": "MDV", "value": "DV", "rate": "RATE",
    "compartment": "CMT", "interval": "II", "additional": "ADDL", "steady_state": "SS",
}  # fmt: skip
"""What a column may mean, and its NONMEM name."""
WANTED = ("subject", "time", "amount", "value")
UNITS = ("time", "amount", "value")
FIELDS = ("name", "title", "file", "sha256", "columns", "units", "into", "output", "exclude", "provenance",
          "reference_fits")  # fmt: skip


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
    """Output of the model that was measured."""
    exclude: tuple[Exclusion, ...]

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
        if "CMT" not in kept:
            kept = kept.assign(CMT=model.state_names.index(self.into) + 1)
        return engine.read_nonmem(kept)

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
    for field in ("name", "title", "file", "sha256", "into", "output"):
        if not isinstance(spec.get(field), str):
            raise TrialError(f"data.{field}: wants a text, got {spec.get(field)!r}")
    columns, units = dict(spec.get("columns") or {}), dict(spec.get("units") or {})
    _only("data.columns", columns, COLUMNS, WANTED)
    _only("data.units", units, UNITS, UNITS)
    source = DataSource(
        name=spec["name"],
        title=spec["title"],
        path=_find(spec["file"], folders),
        sha256=spec["sha256"],
        columns=tuple(columns.items()),
        into=spec["into"],
        output=spec["output"],
        exclude=tuple(_exclusion(index, row) for index, row in enumerate(spec.get("exclude") or ())),
    )
    _check_model(source, units, model)
    return source


def _check_model(source: DataSource, units: Mapping[str, str], model: engine.Model) -> None:
    states = {state.name: state.unit for state in model.states}
    outputs = {output.name: output.unit for output in model.outputs}
    for field, name, known in (("into", source.into, states), ("output", source.output, outputs)):
        if name not in known:
            raise TrialError(f"data.{field}: got {name!r}, wants one of {', '.join(known)} of model {model.name}")
    wanted = {"time": model.time, "amount": states[source.into], "value": outputs[source.output]}
    for meaning, wanted_unit in wanted.items():
        if not same(unit(units[meaning]), unit(wanted_unit)):
            raise TrialError(f"data.units.{meaning}: got {units[meaning]!r}, model {model.name} wants {wanted_unit!r}")


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
