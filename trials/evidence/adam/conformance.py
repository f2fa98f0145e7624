"""Checks of analysis data sets against the rules of ADaM, and against the SDTM they were made from.

No published engine has rules of the ADaM Implementation Guide; these are the rules of version 1.3, and of define.xml's
promises, that a data set of ours can break.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping

import numpy as np
import pandas as pd

from trials.evidence.adam.making import BDS, SMALLEST, named
from trials.evidence.table import Column, Table
from trials.verification import Finding

type Rule = Callable[[Mapping[str, Table], Mapping[str, Table]], Iterator[Finding]]

NOT_SUBJECTS = ("ADSIM", "ADOC")
"""Data sets without subjects."""
YES = ("Y", "")
POPULATIONS = ("Y", "N")


def check(adam: Iterable[Table], sdtm: Iterable[Table]) -> tuple[Finding, ...]:
    """Findings of every rule; none when all is well.

    Parameters
    ----------
    adam
        Analysis data sets, ADSL among them.
    sdtm
        The SDTM that they were made from.
    """
    analysis, tabulation = named(adam), named(sdtm)
    return tuple(finding for rule in RULES for finding in rule(analysis, tabulation))


def _subjects(adam: Mapping[str, Table], sdtm: Mapping[str, Table]) -> Iterator[Finding]:
    """ADSL has every subject of DM once, and no data set has other subjects."""
    if "ADSL" not in adam:
        yield Finding("ADSL", "is missing: every study has one")
        return
    subjects = adam["ADSL"].frame["USUBJID"]
    for one in subjects[subjects.duplicated()].unique():
        yield Finding("ADSL.USUBJID", f"{one} has more than one record")
    if "DM" in sdtm and (other := set(subjects) ^ set(sdtm["DM"].frame["USUBJID"])):
        yield Finding("ADSL.USUBJID", f"{len(other)} subjects are in one of ADSL and DM alone: {_some(other)}")
    for name, table in _of_subjects(adam):
        if extra := set(table.frame["USUBJID"]) - set(subjects):
            yield Finding(f"{name}.USUBJID", f"{len(extra)} subjects are not in ADSL: {_some(extra)}")


def _keys(adam: Mapping[str, Table], _: Mapping[str, Table]) -> Iterator[Finding]:
    """Keys tell every record from the others, and records are in their order."""
    for name, table in adam.items():
        keys = list(table.keys)
        if twice := int(table.frame.duplicated(keys).sum()):
            yield Finding(name, f"{twice} records have the same {', '.join(keys)} as another")
        if not table.frame[keys].equals(table.frame[keys].sort_values(keys, kind="stable", ignore_index=True)):
            yield Finding(name, f"is not sorted by {', '.join(keys)}")


def _parameters(adam: Mapping[str, Table], _: Mapping[str, Table]) -> Iterator[Finding]:
    """PARAMCD, PARAM and PARAMN go together one to one; PARAMCD has at most 8 characters of A-Z, 0-9 and _."""
    for name, table in adam.items():
        if "PARAM" not in table.frame:
            continue
        for other in ("PARAM", "PARAMN"):
            pairs = table.frame[["PARAMCD", other]].drop_duplicates()
            for column in ("PARAMCD", other):
                if (pairs[column].duplicated()).any():
                    yield Finding(
                        f"{name}.{other}", f"does not go with PARAMCD one to one: {pairs.to_numpy().tolist()}"
                    )
                    break
        bad = table.frame["PARAMCD"][~table.frame["PARAMCD"].str.fullmatch(r"[A-Z_][A-Z0-9_]{0,7}")].unique()
        yield from (Finding(f"{name}.PARAMCD", f"{one!r} is no short name") for one in bad)


def _changes(adam: Mapping[str, Table], _: Mapping[str, Table]) -> Iterator[Finding]:
    """CHG is AVAL - BASE, PCHG that in percent of BASE, where there is a record of these three."""
    for name, table in _structured(adam):
        frame = table.frame
        if not {"AVAL", "BASE", "CHG"} <= set(frame):
            continue
        base, there = frame["BASE"], frame[["AVAL", "BASE"]].notna().all(axis=1)
        wanted = {"CHG": frame["AVAL"] - base, "PCHG": 100 * (frame["AVAL"] - base) / base.where(base != 0)}
        for column, want in wanted.items():
            if column not in frame:
                continue
            off = there & frame[column].notna() & ~np.isclose(frame[column], want, rtol=1e-12, atol=SMALLEST)
            if off.any():
                yield Finding(f"{name}.{column}", f"is not what AVAL and BASE give in {int(off.sum())} records")
            if column == "CHG" and (lost := there & frame[column].isna() & (frame["ABLFL"] != "Y")).any():
                yield Finding(f"{name}.{column}", f"is missing in {int(lost.sum())} records with AVAL and BASE")


def _baselines(adam: Mapping[str, Table], _: Mapping[str, Table]) -> Iterator[Finding]:
    """A subject has one baseline record a parameter and period, and BASE is its AVAL."""
    group = ["USUBJID", "PARAMCD", "APERIOD"]
    for name, table in _structured(adam):
        if "ABLFL" not in table.frame:
            continue
        marked = table.frame[table.frame["ABLFL"] == "Y"]
        if marked.duplicated(group).any():
            yield Finding(f"{name}.ABLFL", "marks several records of a subject, parameter and period")
            continue
        base = marked.set_index(group)["AVAL"].reindex(pd.MultiIndex.from_frame(table.frame[group])).to_numpy()
        off = ~((table.frame["BASE"].to_numpy() == base) | (np.isnan(base) & table.frame["BASE"].isna().to_numpy()))
        if off.any():
            yield Finding(f"{name}.BASE", f"is not AVAL of the record with ABLFL=Y in {int(off.sum())} records")


def _flags(adam: Mapping[str, Table], _: Mapping[str, Table]) -> Iterator[Finding]:
    """Flags are Y or empty, of populations Y or N; an analysis flag marks one record a subject, parameter, visit."""
    for name, table in adam.items():
        for column in table.columns:
            if not column.name.endswith("FL") or column.kind != "text":
                continue
            allowed = POPULATIONS if name == "ADSL" and column.name not in ("SIMFL", "DTHFL") else YES
            if odd := set(table.frame[column.name]) - set(allowed):
                yield Finding(
                    f"{name}.{column.name}", f"has the values {_some(odd)}, wanted {' or '.join(map(repr, allowed))}"
                )
            if column.name.startswith("ANL") and table.of.startswith(BDS):
                yield from _analysed(name, table, column)


def _analysed(name: str, table: Table, column: Column) -> Iterator[Finding]:
    marked = table.frame[table.frame[column.name] == "Y"]
    group = [one for one in ("USUBJID", "PARAMCD", "APERIOD", "NRRLT") if one in marked]
    if twice := int(marked.duplicated(group).sum()):
        yield Finding(f"{name}.{column.name}", f"marks {twice} records beside another of the same {', '.join(group)}")
    values = [one for one in ("AVAL", "CHG", "PCHG") if one in marked]
    if (empty := int(marked[values].isna().all(axis=1).sum())) and values:
        yield Finding(f"{name}.{column.name}", f"marks {empty} records without a value")


def _predecessors(adam: Mapping[str, Table], sdtm: Mapping[str, Table]) -> Iterator[Finding]:
    """A value taken over is that of the record it was taken from, found by subject and --SEQ."""
    both = {**sdtm, **adam}
    for name, table in adam.items():
        for column in table.columns:
            if column.origin != "Predecessor" or "." not in column.source:
                continue
            source, variable = column.source.split(".")[:2]
            if source not in both or variable not in both[source].frame:
                yield Finding(f"{name}.{column.name}", f"is said to be from {column.source}, which is not there")
                continue
            yield from _same(name, table, column, both[source].frame, variable)


def _same(name: str, table: Table, column: Column, source: pd.DataFrame, variable: str) -> Iterator[Finding]:
    """Compare a variable with its predecessor, record by record."""
    sequence = f"{column.source.split('.')[0]}SEQ"
    by = ["USUBJID", *([sequence] if sequence in source and sequence in table.frame else [])]
    if not set(by) <= set(source) or source.duplicated(by).any():
        return
    here = table.frame[table.frame[by[-1]].notna()]
    there = source.set_index(by, drop=False)[variable].reindex(
        pd.MultiIndex.from_frame(here[by]) if len(by) > 1 else here["USUBJID"]
    )
    mine, theirs = here[column.name].to_numpy(), there.to_numpy()
    blank = pd.isna(mine) | (mine == "")
    same = (mine == theirs) | blank if column.kind == "text" else blank | np.isclose(
        mine.astype(float), theirs.astype(float), rtol=0, atol=SMALLEST
    )  # fmt: skip
    if not same.all():
        yield Finding(f"{name}.{column.name}", f"differs from {column.source} in {int((~same).sum())} records")


def _names(adam: Mapping[str, Table], _: Mapping[str, Table]) -> Iterator[Finding]:
    """Every variable says where it is from; one name has one label in all data sets; numbers have their text beside."""
    labels: dict[str, tuple[str, str]] = {}
    for name, table in adam.items():
        told = any(column.source for column in table.columns)  # a transport file alone does not tell
        for column in table.columns:
            if told and not column.source and column.origin in ("Derived", "Predecessor"):
                yield Finding(f"{name}.{column.name}", f"is {column.origin} and does not say from what")
            first, label = labels.setdefault(column.name, (name, column.label))
            if label != column.label and not column.name.startswith("ANL"):
                yield Finding(f"{name}.{column.name}", f"is labelled {column.label!r}, in {first} {label!r}")


def _times(adam: Mapping[str, Table], _: Mapping[str, Table]) -> Iterator[Finding]:
    """Times to events are not negative, censoring is 0 or 1 and described."""
    for name, table in adam.items():
        if "CNSR" not in table.frame:
            continue
        frame = table.frame
        if not set(frame["CNSR"]) <= {0.0, 1.0}:
            yield Finding(f"{name}.CNSR", f"has the values {_some(set(frame['CNSR']))}, wanted 0 or 1")
        if (frame["AVAL"] < 0).any():
            yield Finding(f"{name}.AVAL", f"is negative in {int((frame['AVAL'] < 0).sum())} records")
        if (frame["EVNTDESC"] == "").any():
            yield Finding(f"{name}.EVNTDESC", f"is empty in {int((frame['EVNTDESC'] == '').sum())} records")


def _simulated(adam: Mapping[str, Table], _: Mapping[str, Table]) -> Iterator[Finding]:
    """Every data set says that it is simulated: its label, and SIMFL in every record."""
    for name, table in adam.items():
        if not table.label.startswith("SIMULATED"):
            yield Finding(name, f"has the label {table.label!r}, which does not say SIMULATED")
        if "SIMFL" not in table.frame or not (table.frame["SIMFL"] == "Y").all():
            yield Finding(f"{name}.SIMFL", "is not Y in every record")


RULES: tuple[Rule, ...] = (
    _subjects, _keys, _parameters, _changes, _baselines, _flags, _predecessors, _names, _times, _simulated,
)  # fmt: skip


def _of_subjects(adam: Mapping[str, Table]) -> Iterator[tuple[str, Table]]:
    yield from ((name, table) for name, table in adam.items() if "USUBJID" in table.frame)


def _structured(adam: Mapping[str, Table]) -> Iterator[tuple[str, Table]]:
    yield from ((name, table) for name, table in adam.items() if table.of.startswith(BDS) and "PARAMCD" in table.frame)


def _some(values: Iterable[object]) -> str:
    shown = sorted(map(str, values))
    return ", ".join(shown[:5]) + (" ..." if len(shown) > 5 else "")
