"""A data set of a submission: records with the metadata that define.xml, XPT and Dataset-JSON all need."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import pandas as pd

from trials.errors import TrialError

type Kind = Literal["text", "integer", "float"]


@dataclass(frozen=True, slots=True)
class Column:
    """A variable of a data set.

    Attributes
    ----------
    name, label
        Name of at most 8 characters, A-Z, 0-9 and _, and label of at most 40, both ASCII, as XPT version 5 asks.
    kind
        ``text``, ``integer`` or ``float``; numbers may be missing (NaN), text may be empty.
    origin
        Of Define-XML 2.1: ``Collected``, ``Assigned``, ``Derived``, ``Protocol`` or ``Predecessor``.
    source
        Where a value comes from: of a derived one how, of a predecessor ``DM.USUBJID``; else empty.
    codelist
        Name of the controlled terminology its values are from, or empty.
    format
        Display format such as ``8.3``, or empty.
    core
        ``Req``, ``Exp`` or ``Perm``.
    role
        SDTM role (Identifier, Topic, Qualifier, Timing …), or empty.
    """

    name: str
    label: str
    kind: Kind = "text"
    origin: str = "Derived"
    source: str = ""
    codelist: str = ""
    format: str = ""
    core: str = "Exp"
    role: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class Table:
    """A data set.

    Attributes
    ----------
    name, label
        ``DM`` and its label of at most 40 characters; the file is ``dm.xpt``.
    structure
        What one record is: ``One record per subject``.
    of
        Class of Define-XML: ``SPECIAL PURPOSE``, ``EVENTS``, ``SUBJECT LEVEL ANALYSIS DATASET`` …
    keys
        Variables that together tell every record from the others, in order of sorting.
    columns
        Variables in order.
    frame
        The records, sorted by the keys, with exactly the names of `columns`: text as str, numbers as float64.
    repeating
        Whether a subject may have several records.
    reference
        Whether it holds no subjects' data (trial design).
    values
        For some variables, metadata of a value: variable to {where value: Column}, of ARM and value-level metadata.
    """

    name: str
    label: str
    structure: str
    of: str
    keys: Sequence[str]
    columns: Sequence[Column]
    frame: pd.DataFrame
    repeating: bool = True
    reference: bool = False
    values: Mapping[str, Mapping[str, Column]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse records that are not what the columns say."""
        names = [column.name for column in self.columns]
        if list(self.frame.columns) != names:
            raise TrialError(f"{self.name}: has the variables {list(self.frame.columns)}, its metadata say {names}")
        if unknown := [key for key in self.keys if key not in names]:
            raise TrialError(f"{self.name}.keys: {', '.join(unknown)} are no variables of it")

    def column(self, name: str) -> Column:
        """Metadata of a variable."""
        return next(column for column in self.columns if column.name == name)
