"""ADSL: one record a subject."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

from trials.evidence.adam import dates, making
from trials.evidence.adam.covariates import covariates, entry
from trials.evidence.adam.making import SUBJECTS, Variable, assigned, by_subject, derived, predecessor
from trials.evidence.adam.recorded import Recorded
from trials.evidence.table import Table

type Array = np.ndarray

TAKEN_OVER = (
    "STUDYID", "USUBJID", "SUBJID", "SITEID", "COUNTRY", "AGE", "AGEU", "SEX", "RACE", "ETHNIC", "ARMCD", "ARM",
    "ACTARMCD", "ACTARM", "RFSTDTC", "RFENDTC", "DTHFL", "DTHDTC",
)  # fmt: skip
"""Variables of DM that are taken over as they are."""


def subject_level(seen: Recorded) -> Table:
    """ADSL of a trial: who the subjects are, what they were treated with, in which populations, and how they ended."""
    demographics = seen.sdtm["DM"].frame.set_index("USUBJID", drop=False).reindex(list(seen.subjects))
    variables = [
        *_taken_over(seen, demographics),
        (assigned("SIMFL", "Simulated Data Flag", "SIMULATED DATA: virtual subjects", codelist="NY"),
         np.full(len(demographics), "Y")),
        *_treatments(seen, demographics), *_populations(seen, demographics),
        *_dates(seen, demographics), *_disposition(seen), *covariates(seen), *entry(seen),
    ]  # fmt: skip
    structure = "One record per subject"
    return making.table(
        "ADSL", "Subject-Level Analysis", structure, variables, of=SUBJECTS, keys=("STUDYID", "USUBJID")
    )


def _taken_over(seen: Recorded, demographics: pd.DataFrame) -> Iterator[Variable]:
    table = seen.sdtm["DM"]
    for column in table.columns:
        if column.name in TAKEN_OVER:
            made = predecessor(column.name, column.label, f"DM.{column.name}", column.kind, codelist=column.codelist,
                               core=column.core)  # fmt: skip
            yield made, demographics[column.name]


def _treatments(seen: Recorded, demographics: pd.DataFrame) -> Iterator[Variable]:
    """Planned and actual treatment of each period; in a crossover their sequence."""
    arms, names = seen.course.arms[0], np.asarray([*seen.treatments, ""], dtype=object)
    crossover = seen.periods > 1
    if crossover:
        for suffix, kind, name in (("P", "Planned", "ARM"), ("A", "Actual", "ACTARM")):
            yield predecessor(f"TRTSEQ{suffix}", f"{kind} Sequence of Treatments", f"DM.{name}"), demographics[name]
    about = "DM.{}; of a crossover the arm of the period in TA"
    for period in range(seen.periods):
        for suffix, kind, name in (("P", "Planned", "ARM"), ("A", "Actual", "ACTARM")):
            label, stem = f"{kind} Treatment for Period {period + 1:02d}", f"TRT{period + 1:02d}{suffix}"
            index = arms[:, period]
            yield derived(stem, label, about.format(name)), names[index]
            yield (
                assigned(f"{stem}N", f"{label} (N)"[:40], "Place among the trial's arms", "integer"),
                np.where(index < 0, np.nan, index + 1.0),
            )


def _populations(seen: Recorded, demographics: pd.DataFrame) -> Iterator[Variable]:
    randomised = np.asarray((seen.course.arms[0] >= 0).all(axis=-1), dtype=bool)
    started = np.asarray(demographics["RFSTDTC"] != "", dtype=bool)
    about = "Y: randomised to an arm (DM.ARMCD)"
    yield derived("ITTFL", "Intent-To-Treat Population Flag", about, codelist="NY"), _yes(randomised)
    about = "Y: the study treatment of an arm began (DM.RFSTDTC)"
    yield derived("SAFFL", "Safety Population Flag", about, codelist="NY"), _yes(started & randomised)
    if "PC" in seen.sdtm:
        samples = seen.sdtm["PC"].frame
        measured = set(samples.loc[samples["PCSTRESN"].notna(), "USUBJID"])
        about = "Y: at least one concentration in PC (PCSTRESN)"
        there = np.asarray([subject in measured for subject in seen.subjects], dtype=bool)
        yield derived("PKFL", "PK Population Flag", about, codelist="NY"), _yes(there & started)
    done = np.asarray(_ended(seen)["DSDECOD"].eq("COMPLETED"), dtype=bool)
    yield derived("COMPLFL", "Completers Population Flag", "Y: DS.DSDECOD is COMPLETED", codelist="NY"), _yes(done)


def _dates(seen: Recorded, demographics: pd.DataFrame) -> Iterator[Variable]:
    first, last = (demographics[name] for name in ("RFXSTDTC", "RFXENDTC"))
    first = first.where(first != "", demographics["RFSTDTC"])
    last = last.where(last != "", demographics["RFENDTC"])
    start, end = dates.day(first), dates.day(last)
    about = "DM.RFXSTDTC; DM.RFSTDTC where the arm gives no dose"
    yield derived("TRTSDT", "Date of First Exposure to Treatment", about, "integer", format=dates.DATE), start
    yield (derived("TRTSDTM", "Datetime of First Exposure to Treatment", about, "float", format=dates.TIME),
           dates.moment(first))  # fmt: skip
    about = "DM.RFXENDTC; DM.RFENDTC where the arm gives no dose"
    yield derived("TRTEDT", "Date of Last Exposure to Treatment", about, "integer", format=dates.DATE), end
    yield (
        derived("TRTEDTM", "Datetime of Last Exposure to Treatment", about, "float", format=dates.TIME),
        dates.moment(last),
    )
    yield derived("TRTDURD", "Total Treatment Duration (Days)", "TRTEDT - TRTSDT + 1", "integer"), end - start + 1
    randomised = seen.sdtm["DS"].frame.query("DSDECOD == 'RANDOMIZED'").drop_duplicates("USUBJID")
    when = by_subject(randomised, "DSSTDTC", seen.subjects).fillna("")
    about = "DS.DSSTDTC where DSDECOD is RANDOMIZED"
    yield derived("RANDDT", "Date of Randomization", about, "integer", format=dates.DATE), dates.day(when)


def _disposition(seen: Recorded) -> Iterator[Variable]:
    """How the subject's part in the study ended."""
    ended = _ended(seen)
    code, there = ended["DSDECOD"].fillna(""), ended["DSDECOD"].notna().to_numpy()
    completed = code.eq("COMPLETED").to_numpy()
    status = np.where(completed, "COMPLETED", np.where(there, "DISCONTINUED", "ONGOING"))
    yield derived("EOSSTT", "End of Study Status", "DS.DSDECOD of disposition events", codelist="SBJTSTAT"), status
    yield derived("EOSDT", "End of Study Date", "DS.DSSTDTC", "integer", format=dates.DATE), dates.day(ended["DSSTDTC"])
    reason = np.where(there & ~completed, code, "")
    yield derived("DCSREAS", "Reason for Discontinuation from Study", "DS.DSDECOD other than COMPLETED"), reason


def _ended(seen: Recorded) -> pd.DataFrame:
    """The disposition event of each subject."""
    events = seen.sdtm["DS"].frame
    last = events[events["DSCAT"] == "DISPOSITION EVENT"].drop_duplicates("USUBJID", keep="last")
    found: pd.DataFrame = last.set_index("USUBJID").reindex(list(seen.subjects))
    return found


def _yes(where: Array) -> Array:
    return np.where(where, "Y", "N")
