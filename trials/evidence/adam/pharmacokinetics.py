"""Pharmacokinetic parameters (ADPP), and the data set that population models are fitted to (ADPPK)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import pandas as pd

from trials.evidence.adam import dates, making
from trials.evidence.adam.covariates import numeric
from trials.evidence.adam.making import Variable, assigned, derived, predecessor
from trials.evidence.adam.measured import subject_and_period
from trials.evidence.adam.recorded import Recorded
from trials.evidence.adam.selecting import Selection
from trials.evidence.adam.simulated import short
from trials.evidence.sdtm.exposure import administrations
from trials.evidence.table import Table

type Array = np.ndarray

MODELLED = ("STUDYID", "USUBJID", "SUBJID", "SIMFL", "PKFL")


def parameters(seen: Recorded, adsl: Table, selections: Sequence[Selection]) -> Table:
    """ADPP: one record a subject, parameter and period of PP."""
    frame = seen.parameters.copy()
    frame["PARAMCD"] = _codes(frame, selections)
    units = frame[frame["PPSTRESU"] != ""].groupby("PARAMCD")["PPSTRESU"].first()
    unit = frame["PARAMCD"].map(" (" + units + ")").fillna("")
    frame["PARAM"] = frame["PPTEST"] + unit
    frame["PARAMN"] = frame["PARAMCD"].map(sorted(frame["PARAMCD"].unique()).index) + 1.0
    analysed = np.asarray(frame["PPSTRESN"].notna() & (frame["variable"] != ""), dtype=bool)
    variables: list[Variable] = [
        *subject_and_period(seen, adsl, frame),
        (derived("PARAM", "Parameter", "PP.PPTEST and PP.PPSTRESU", core="Req"), frame["PARAM"]),
        (derived("PARAMCD", "Parameter Code", "PP.PPTESTCD", core="Req"), frame["PARAMCD"]),
        (assigned("PARAMN", "Parameter (N)", kind="integer"), frame["PARAMN"]),
        (predecessor("PPCAT", "Parameter Category", "PP.PPCAT"), frame["PPCAT"]),
        (predecessor("AVAL", "Analysis Value", "PP.PPSTRESN", "float"), frame["PPSTRESN"]),
        (assigned("SRCDOM", "Source Data"), np.full(len(frame), "PP")),
        (assigned("SRCVAR", "Source Variable"), np.full(len(frame), "PPSTRESN")),
        (predecessor("PPSEQ", "Sequence Number", "PP.PPSEQ", "integer"), frame["PPSEQ"]),
        (
            derived(
                "ANL01FL", "Analysis Flag 01", "Y: AVAL is there, of a parameter that the trial analyses", codelist="NY"
            ),
            making.flag(analysed),
        ),
    ]
    keys = ("STUDYID", "USUBJID", "PARAMCD", "APERIOD")
    structure = "One record per subject, parameter and analysis period"
    return making.table("ADPP", "PK Parameters Analysis", structure, variables, keys=keys)


def _codes(frame: pd.DataFrame, selections: Sequence[Selection]) -> list[str]:
    """PARAMCD of each record: that of the trial's variable, else PPTESTCD, or a name like it where that is taken."""
    made: dict[tuple[str, str, str], str] = {}
    variables = {one.variable: one.parameter for one in selections}
    keys = list(zip(frame["PPCAT"], frame["PPTESTCD"], frame["variable"], strict=True))
    for key in dict.fromkeys(keys):
        taken = {*variables.values(), *made.values()}
        code = key[1] if key[1] not in taken else short(key[1], taken)
        made[key] = variables[key[2]] if key[2] else code
    return [made[key] for key in keys]


def population(seen: Recorded, adsl: Table) -> Table:
    """ADPPK: doses (EVID 1) and concentrations (EVID 0) in order of time, with covariates as numbers; no placebo."""
    frame = _events(seen)
    who = np.asarray(seen.subjects, dtype=object)[frame["subject"].to_numpy(dtype=int)]
    first = frame[frame["EVID"] == 1].groupby("subject")["moment"].min().reindex(range(len(seen.subjects)))
    start = first.fillna(frame.groupby("subject")["moment"].min())
    frame["AFRLT"] = (frame["moment"] - frame["subject"].map(start)) / seen.second
    latest = frame["moment"].where(frame["EVID"] == 1).groupby(frame["subject"]).ffill()
    frame["APRLT"] = (frame["moment"] - latest) / seen.second
    frame["RECSEQ"] = frame.groupby("subject").cumcount() + 1.0
    number = dict(zip(seen.subjects, range(1, len(seen.subjects) + 1), strict=True))
    variables = [
        *making.of_subjects(adsl, who, MODELLED),
        (assigned("USUBJIDN", "Unique Subject Identifier (N)", "Place in ADSL", "integer"),
         np.asarray([number[one] for one in who], dtype=float)),
        *_described(seen, frame), *_modelled(seen, adsl, frame, who),
    ]  # fmt: skip
    keys = ("STUDYID", "USUBJID", "RECSEQ")
    structure = "One record per subject and dose or concentration"
    return making.table("ADPPK", "Population PK Analysis", structure, variables, of=making.MODELLED, keys=keys)


def _events(seen: Recorded) -> pd.DataFrame:
    """Doses and concentrations in order of time; a sample at the time of a dose comes before it."""
    doses = administrations(seen.doses[seen.doses["EXDOSE"] > 0])
    given = pd.DataFrame(
        {
            "subject": doses["subject"], "period": doses["period"], "moment": dates.moment(doses["EXSTDTC"]),
            "EVID": 1.0, "MDV": 1.0, "AMT": doses["EXDOSE"], "DV": np.nan, "BLQFN": 0.0, "SRCDOM": "EX",
            "SRCSEQ": doses["EXSEQ"], "PARAMCD": "", "NRRLT": np.nan,
        }
    )  # fmt: skip
    parts = [given]
    for measure in seen.measures("PC"):
        samples = seen.findings[measure]
        below = (samples["BLQFL"] == "Y").to_numpy()
        parts.append(pd.DataFrame(
            {
                "subject": samples["subject"], "period": samples["period"], "moment": dates.moment(samples["DTC"]),
                "EVID": 0.0, "MDV": below.astype(float), "AMT": np.nan,
                "DV": samples["AVAL"].where(~below), "BLQFN": below.astype(float), "SRCDOM": "PC",
                "SRCSEQ": samples["SEQ"], "PARAMCD": seen.homes[measure].code,
                "NRRLT": seen.planned(measure)[samples["place"].to_numpy(dtype=int)],
            }
        ))  # fmt: skip
    frame = pd.concat([part for part in parts if len(part)], ignore_index=True)
    return frame.sort_values(["subject", "moment", "EVID"], kind="stable", ignore_index=True)


def _described(seen: Recorded, frame: pd.DataFrame) -> Iterator[Variable]:
    unit = seen.protocol.model.time
    about = f"Time after the subject's first dose, in the trial's unit of time ({unit})"
    yield derived("RECSEQ", "Record Sequence", "Order of time in the subject", "integer"), frame["RECSEQ"]
    yield derived("AFRLT", "Actual Rel. Time from First Dose", about, "float", format="12.4"), frame["AFRLT"]
    starts = np.asarray(seen.course.starts)[frame["period"].to_numpy(dtype=int)]
    about = f"Planned time after the start of treatment ({unit}); of a dose as AFRLT"
    nominal = np.where(frame["EVID"] == 1, frame["AFRLT"], starts + frame["NRRLT"])
    yield derived("NFRLT", "Nominal Rel. Time from First Dose", about, "float", format="12.4"), nominal
    about = f"Time after the latest dose ({unit})"
    yield derived("APRLT", "Actual Rel. Time from Previous Dose", about, "float", format="12.4"), frame["APRLT"]
    yield assigned("RLTU", "Relative Time Unit"), np.full(len(frame), unit)
    yield derived("OCC", "Occasion", "Treatment period", "integer"), frame["period"] + 1.0
    yield assigned("EVID", "Event ID", "0 observation, 1 dose", "integer", format="1."), frame["EVID"]
    yield assigned("MDV", "Missing DV", "1 of doses and of what is below quantification", "integer"), frame["MDV"]
    yield derived("DV", "Dependent Variable", "PC.PCSTRESN", "float"), frame["DV"]
    yield predecessor("AMT", "Amount of Dose", "EX.EXDOSE", "float"), frame["AMT"]


def _modelled(seen: Recorded, adsl: Table, frame: pd.DataFrame, who: Array) -> Iterator[Variable]:
    compartment = np.where(frame["EVID"] == 1, _compartment(seen), np.nan)
    about = "Place of the dosed state among the model's; missing of observations: the model says which output it is"
    yield derived("CMT", "Compartment", about, "integer"), compartment
    number = {code: place + 1.0 for place, code in enumerate(sorted(set(frame["PARAMCD"]) - {""}))}
    about = "Which concentration, by place among the values of PARAMCD"
    yield derived("DVID", "Dependent Variable Identifier", about, "integer"), frame["PARAMCD"].map(number)
    yield derived("PARAMCD", "Parameter Code", "PC.PCTESTCD; empty of doses"), frame["PARAMCD"]
    yield derived("BLQFN", "Below Quantification Flag (N)", "1: PC.PCSTRESC begins with <", "integer"), frame["BLQFN"]
    levels = adsl.frame.set_index("USUBJID").reindex(who)
    period = frame["period"].to_numpy(dtype=int)
    for suffix in ("A", "AN"):
        names = [f"TRT{one + 1:02d}{suffix}" for one in range(seen.periods)]
        kind = "integer" if suffix == "AN" else "text"
        label = f"Actual Treatment{' (N)' if suffix == 'AN' else ''}"
        source = f"ADSL.{names[0]} or that of the period"
        values = levels[names].to_numpy()[np.arange(len(frame)), period]
        yield derived(f"TRT{suffix}", label, source, kind), values  # type: ignore[arg-type]
    yield from numeric(seen, adsl, who)
    yield assigned("SRCDOM", "Source Data", "EX or PC"), frame["SRCDOM"]
    yield assigned("SRCSEQ", "Source Sequence Number", "EX.EXSEQ or PC.PCSEQ", "integer"), frame["SRCSEQ"]


def _compartment(seen: Recorded) -> float:
    """Number of the dosed state among the model's; missing where doses go into more than one."""
    states = list(seen.protocol.model.states)
    into = {dose.into for arm in seen.protocol.arms if arm.regimen is not None for dose in arm.regimen.doses}
    into |= {arm.policy.into for arm in seen.protocol.arms if arm.policy is not None and hasattr(arm.policy, "into")}
    names: Mapping[str, int] = {str(getattr(state, "name", state)): place for place, state in enumerate(states)}
    return names[into.pop()] + 1.0 if len(into) == 1 else np.nan
