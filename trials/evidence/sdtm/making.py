"""Data sets from columns: metadata, order of records and sequence numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from trials.errors import TrialError
from trials.evidence.sdtm.domains import DESIGN, DOMAINS, SIMULATED, variables
from trials.evidence.table import Column, Table

type Array = np.ndarray
type Values = Mapping[str, Any]
"""Values of variables: arrays of all records, or one value for all."""


def table(
    domain: str, study: str, values: Values, *, metadata: Mapping[str, Mapping[str, Column]] | None = None
) -> Table:
    """Make a data set.

    Parameters
    ----------
    domain
        Its name.
    study
        Study identifier.
    values
        Values by variable; one that is not given is empty, and left out if it is permissible and empty.
    metadata
        Metadata of single values: variable to {where: Column}.

    Raises
    ------
    TrialError
        When a variable is not one of the domain.
    """
    about, columns = DOMAINS[domain], variables(domain)
    sequence = f"{domain}SEQ"
    given = {"STUDYID": study, "DOMAIN": domain, **values}
    if unknown := set(given) - {column.name for column in columns}:
        raise TrialError(f"{domain}: {', '.join(sorted(unknown))} are no variables of it in SDTMIG 3.4 that we write")
    count = max((len(one) for one in given.values() if _many(one)), default=1)
    frame = pd.DataFrame({column.name: _filled(column, given.get(column.name), count) for column in columns})
    keys = ["STUDYID", *(key for key in about.keys if _used(frame[key]))]
    frame = frame.sort_values(keys, kind="stable", ignore_index=True)
    if sequence in frame and domain != "TS":
        frame[sequence] = frame.groupby("USUBJID").cumcount().to_numpy(dtype=np.float64) + 1
    kept = [column for column in columns if column.core != "Perm" or _used(frame[column.name])]
    return Table(
        name=domain,
        label=f"{SIMULATED} {about.label}",
        structure=about.structure,
        of=about.of,
        keys=keys,
        columns=kept,
        frame=frame[[column.name for column in kept]],
        repeating=domain != "DM",
        reference=about.of == DESIGN,
        values=metadata or {},
    )


def joined(parts: Sequence[Mapping[str, Array]]) -> dict[str, Array]:
    """Columns of several parts one after the other."""
    return {name: np.concatenate([part[name] for part in parts]) for name in (parts[0] if parts else ())}


def _filled(column: Column, values: Any, count: int) -> Array | list[Any]:
    if values is None:
        values = "" if column.kind == "text" else np.nan
    if not _many(values):
        values = [values] * count
    return np.asarray(values, dtype=object if column.kind == "text" else np.float64)


def _many(values: Any) -> bool:
    return isinstance(values, (list, tuple, np.ndarray, pd.Series))


def _used(values: pd.Series[Any]) -> bool:
    return bool(values.notna().any()) if values.dtype.kind == "f" else bool((values != "").any())
