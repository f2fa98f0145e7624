"""ADEX: what was taken, and what it adds up to."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

from trials.evidence.adam import dates, making
from trials.evidence.adam.making import Variable, assigned, derived, predecessor
from trials.evidence.adam.measured import subject_and_period
from trials.evidence.adam.recorded import Recorded
from trials.evidence.table import Table

PARAMETERS = {
    "DOSE": "Dose ({})",
    "CUMDOSE": "Cumulative Dose ({})",
    "NDOSE": "Number of Doses",
}


def exposure(seen: Recorded, adsl: Table) -> Table:
    """ADEX: one record a constant-dosing interval (DOSE), and one a subject and period of their sum and number.

    A treatment whose frequency has no interval, such as a continuous one, has a dose, and neither sum nor number.
    """
    records = seen.doses
    unit = records["EXDOSU"].iloc[0] if len(records) else ""
    each = records.assign(PARAMCD="DOSE", AVAL=records["EXDOSE"], PARAMTYP="")
    counted = records[records["number"].notna()]
    totals = counted.assign(CUMDOSE=counted["number"] * counted["EXDOSE"], NDOSE=counted["number"])
    grouped = totals.groupby(["subject", "period"], as_index=False)[["CUMDOSE", "NDOSE"]].sum()
    sums = [
        grouped[["subject", "period"]].assign(AVAL=grouped[code], PARAMCD=code, PARAMTYP="DERIVED")
        for code in ("CUMDOSE", "NDOSE")
        if len(grouped)
    ]
    frame = pd.concat([each, *sums], ignore_index=True)
    frame["PARAM"] = frame["PARAMCD"].map({code: text.format(unit) for code, text in PARAMETERS.items()})
    variables = [*subject_and_period(seen, adsl, frame), *_variables(frame)]
    keys = ("STUDYID", "USUBJID", "PARAMCD", "APERIOD", "ASTDTM", "EXSEQ")
    structure = "One record per subject, parameter, analysis period and constant-dosing interval"
    return making.table("ADEX", "Exposure Analysis", structure, variables, keys=keys)


def _variables(frame: pd.DataFrame) -> Iterator[Variable]:
    yield assigned("PARAM", "Parameter", core="Req"), frame["PARAM"]
    yield assigned("PARAMCD", "Parameter Code", core="Req"), frame["PARAMCD"]
    number = frame["PARAMCD"].map(list(PARAMETERS).index) + 1.0
    yield assigned("PARAMN", "Parameter (N)", kind="integer"), number
    yield assigned("PARAMTYP", "Parameter Type", codelist="PARAMTYP"), frame["PARAMTYP"]
    about = "EX.EXDOSE; CUMDOSE and NDOSE: doses of the period by EXDOSFRQ, their sum and number"
    yield derived("AVAL", "Analysis Value", about, "float"), frame["AVAL"]
    for end, name in (("ST", "Start"), ("EN", "End")):
        source = f"EX.EX{end}DTC"
        label = f"Analysis {name} Date"
        given = frame[f"EX{end}DTC"].fillna("")
        yield derived(f"A{end}DT", label, source, "integer", format=dates.DATE), dates.day(given)
        yield derived(f"A{end}DTM", f"{label}/Time", source, "float", format=dates.TIME), dates.moment(given)
    for name, label in (
        ("EXTRT", "Name of Treatment"),
        ("EXDOSU", "Dose Units"),
        ("EXDOSFRQ", "Dosing Frequency per Interval"),
        ("EXROUTE", "Route of Administration"),
    ):
        if name in frame:
            yield predecessor(name, label, f"EX.{name}"), frame[name].fillna("")
    yield predecessor("EXSEQ", "Sequence Number", "EX.EXSEQ", "integer"), frame["EXSEQ"].to_numpy(dtype=np.float64)
