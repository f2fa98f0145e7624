"""What a reviewer of SDTM data sets would wonder about, and what they do not have."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from trials.evidence.sdtm.plan import Plan
from trials.evidence.table import Table
from trials.protocol import Protocol

type Tables = Mapping[str, Table]


def absent(plan: Plan, made: Tables) -> Iterator[str]:
    """What is not there, and why."""
    yield "AE: Adverse events are not simulated."
    other = "OTHER EVENT" in set(made["DS"].frame["DSCAT"])
    medication = " Of medication that an intercurrent event stands for, DS has the start." if other else ""
    yield f"CM, MH, PE and others: Nothing of the kind is simulated.{medication}"
    yield "SUPP--, RELREC: Nothing is left that the domains cannot hold."
    if "TR" in made:
        yield "TU, RS: The model has the sum of diameters, no lesions and no response by criteria."
    if plan.death:
        yield "DD: No cause of death is simulated."


def remarks(protocol: Protocol, plan: Plan, made: Tables) -> Iterator[str]:
    """What a reviewer would wonder about."""
    yield from _people(plan)
    yield from _levels(plan)
    yield from _quantified(protocol, plan)
    yield from _untreated(made)
    if plan.death:
        yield "DS and DM: deaths are those known when the trial ended."
        yield from _after_death(made)
    if any(one.domain == "RS" for one in plan.measurements.values()):
        yield (
            "RS: the model has the change of the score since the start, not the score; the record is of the change, "
            "and there is no record at baseline."
        )
    if "GF" in made:
        yield "GF: genotypes were drawn from frequencies in the population; no sample was sequenced."
    if any(one.doses == "constant" for one in plan.treatments.values()):
        yield (
            "EX: the model knows a treatment as constant; what was taken is what the plan states of dose and "
            "frequency, until the last dose before the subject stopped, left or completed. Nobody missed a dose."
        )


def _people(plan: Plan) -> Iterator[str]:
    yield "DM: RFICDTC is empty, for virtual subjects give no consent."
    yield "DM: COUNTRY is ZZZ, a user-assigned code of ISO 3166; virtual subjects have no country."
    known = {one.code for one in plan.covariates.values() if one.domain == "DM"}
    if "AGE" not in known:
        yield "DM: AGE is empty; the virtual population has no age."
    if "SEX" not in known:
        asked = plan.summary.get("SEXPOP", "")
        planned = f", though such a trial admits {asked} alone (TS, SEXPOP)" if asked else " (TS, SEXPOP: UNK)"
        yield f"DM: SEX is U; the virtual population has no sex{planned}."
    if "RACE" not in known:
        yield "DM: RACE is UNKNOWN; the virtual population has no race."


def _levels(plan: Plan) -> Iterator[str]:
    """How levels of covariates are told; a race that is not told apart is not one of its own."""
    for name, one in plan.covariates.items():
        if not one.values:
            continue
        told = ", ".join(f"{level} as {value}" for level, value in one.values.items())
        other = (
            " OTHER is whoever is none of the rest, not a race of its own." if "OTHER" in one.values.values() else ""
        )
        variable = f"DM.{one.code}" if one.domain == "DM" else f"{one.domain}, {one.code}"
        yield f"{variable}: {name.replace('_', ' ')} of the virtual population, with {told}.{other}"


def _quantified(protocol: Protocol, plan: Plan) -> Iterator[str]:
    """Limits of quantification; a limit of 0 only says that a value cannot be negative."""
    for one in protocol.measurements:
        domain = plan.measurements[one.name].domain
        if one.lloq:
            yield (
                f"{domain}: a value below the limit of quantification is <{one.lloq:g} in --ORRES and --STRESC, and "
                f"--STRESN is empty; analyses took it by the rule {one.blq!r}."
            )


def _untreated(made: Tables) -> Iterator[str]:
    """Concentrations that were quantified where there is no drug."""
    if "PC" not in made:
        return
    frame, taken = made["PC"].frame, made["EX"].frame
    first = taken[taken["EXDOSE"] > 0].groupby("USUBJID")["EXSTDTC"].min()
    before = frame["PCDTC"] <= frame["USUBJID"].map(first).fillna("9999")
    count, found = int(before.sum()), int((before & np.isfinite(frame["PCSTRESN"])).sum())
    if found:
        yield (
            f"PC: {found} of {count} samples taken before the first dose, or of subjects without one, have a "
            "concentration. The model's residual error has a part that does not depend on the concentration and is "
            "drawn around 0 too; in a real trial they would be below the limit of quantification, or point to "
            "contamination."
        )


def _after_death(made: Tables) -> Iterator[str]:
    """Values of subjects after their deaths."""
    died = made["DM"].frame.set_index("USUBJID")["DTHDTC"]
    for name, table in made.items():
        if f"{name}STRESC" not in table.frame:
            continue
        when = table.frame["USUBJID"].map(died)
        late = int(((when != "") & (table.frame[f"{name}DTC"] > when)).sum())
        if late:
            yield (
                f"{name}: {late} of {len(table.frame)} records are of a subject after its death: the model of the "
                "measurement does not know that the subject has died, and the trial's analyses used them. They were "
                "kept so that the analyses can be traced; a real trial has none."
            )
