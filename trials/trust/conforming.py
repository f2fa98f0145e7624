"""Whether data sets conform to their standards; what was found and explained when a package was made is no finding."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING
from xml.etree import ElementTree

from trials.trust.finding import Finding

if TYPE_CHECKING:
    from trials.evidence.table import Table

TRIAGE = "data/validation/core-triage.csv"
"""Findings of our checks of SDTM, each explained in the reviewer's guide."""
DEFINE = "{http://www.cdisc.org/ns/def/v2.1}"
ODM = "{http://www.cdisc.org/ns/odm/v1.3}"


def tabulations(bag: Path, paths: Sequence[Path]) -> Iterator[Finding]:
    """Check the SDTM of each trial by our rules; findings that were triaged are known."""
    from trials.evidence.conformance import check
    from trials.evidence.transport import xpt

    known = _triaged(bag / TRIAGE)
    for folder in sorted({path.parent for path in paths}):
        place = folder.relative_to(bag)
        study = place.parts[3]
        for one in check(xpt.read(path) for path in sorted(folder.glob("*.xpt"))):
            if (study, one.data_set, one.rule, one.message) not in known:
                yield Finding(f"{place.as_posix()}/{one.data_set.lower()}.xpt", f"{one}; nobody explained it")


def analyses(bag: Path, paths: Sequence[Path]) -> Iterator[Finding]:
    """Check the analysis data sets of each trial that has tabulations by the rules of ADaM and against those."""
    from trials.evidence.adam.conformance import check
    from trials.evidence.transport import xpt

    for folder in sorted({path.parent for path in paths}):
        home = folder.parents[2]
        made = [xpt.read(path) for path in sorted((home / "tabulations" / "sdtm").glob("*.xpt"))]
        place, described = folder.relative_to(bag).as_posix(), list(_described(folder))
        if not any("USUBJID" in table.frame for table in described):
            continue  # results of all replicates, which have no subjects
        if not made:
            yield Finding(place, "has subjects, but there are no tabulations that they come from")
            continue
        for one in check(described, made):
            yield Finding(f"{place}/{one.path.partition('.')[0].lower()}.xpt", str(one))


def _described(folder: Path) -> Iterator[Table]:
    """Data sets of a folder, with the class and the keys that their define.xml states."""
    from trials.evidence.transport import xpt

    root = ElementTree.parse(folder / "define.xml").getroot()
    for path in sorted(folder.glob("*.xpt")):
        table = xpt.read(path)
        group = next(each for each in root.iter(f"{ODM}ItemGroupDef") if each.get("Name") == table.name)
        kind = group.find(f"{DEFINE}Class")
        refs = [ref for ref in group.iter(f"{ODM}ItemRef") if ref.get("KeySequence")]
        names = {item.get("OID"): item.get("Name") for item in root.iter(f"{ODM}ItemDef")}
        ordered = sorted(refs, key=lambda ref: int(str(ref.get("KeySequence"))))
        keys = tuple(str(names[ref.get("ItemOID")]) for ref in ordered)
        yield replace(table, of="" if kind is None else str(kind.get("Name")), keys=keys)


def _triaged(path: Path) -> set[tuple[str, str, str, str]]:
    if not path.is_file():
        return set()
    with path.open(encoding="utf-8", newline="") as file:
        return {(row["study"].lower(), row["data set"], row["rule"], row["finding"]) for row in csv.DictReader(file)}
