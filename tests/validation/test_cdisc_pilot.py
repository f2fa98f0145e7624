"""The CDISC pilot study's published primary table, from its real data by the code of our analysis data sets.

What was measured goes through the same functions that make ADSL's and ADQS's records, flags, baselines and changes of
a simulated trial; what is analysed is read back from these data sets alone.
"""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from cohorts.covariates.given import Categorical
from tests.trials import virtual
from trials.analyses.ancova_at_visit import AncovaAtVisit
from trials.analyses.ancova_trend import AncovaTrend
from trials.conduct.course import Course
from trials.designs.parallel import Parallel
from trials.endpoints.repeated import Repeated
from trials.endpoints.visit import AtVisit
from trials.evidence.adam import making
from trials.evidence.adam.conformance import check
from trials.evidence.adam.making import assigned
from trials.evidence.adam.measured import measured
from trials.evidence.adam.reading import trial_data
from trials.evidence.adam.recorded import Recorded
from trials.evidence.adam.selecting import Home, selections
from trials.evidence.table import Column, Table
from trials.protocol import Measurement

HOME = Path(__file__).resolve().parents[1] / "reference" / "trials"
REFERENCE = json.loads((HOME / "repeated_measures.json").read_text(encoding="utf-8"))["adas_locf"]
ARMS = ("Placebo", "Xanomeline Low Dose", "Xanomeline High Dose")
WEEKS = (0.0, 8.0, 16.0, 24.0)


@pytest.fixture(scope="module")
def pilot():
    return pd.read_csv(HOME / "adas.csv", dtype={"SITEGR1": str}, keep_default_na=True)


def planned(pilot):
    """The study as a protocol: 24 weeks, ADAS-Cog (11) at four visits, sites pooled."""
    base = virtual.protocol()
    sites = tuple(sorted(pilot["SITEGR1"].unique()))
    covariate = Categorical("sitegr", "pooled site", "the study", sites, (1 / len(sites),) * len(sites))
    return replace(
        base,
        population=replace(base.population, covariates=(covariate,)),
        design=Parallel(ARMS, pilot["USUBJID"].nunique(), (1, 1, 1), 3),
        measurements=(Measurement("adas", "concentration", WEEKS),),
        endpoints=(
            AtVisit("base", "score", "adas", visit=0.0),
            Repeated("change", "score", "adas", kind="change"),
            AtVisit("week24", "score", "adas", visit=24.0, kind="change"),
        ),
        intercurrent=(),
        estimands=(),
    )


def recorded(pilot, protocol):
    """What was measured, as SDTM would hold it: nothing carried forward, no baseline, no change."""
    people = pilot.groupby("USUBJID").first()
    rows = pilot[pilot["DTYPE"].isna()]
    subjects = tuple(people.index)
    frame = pd.DataFrame(
        {
            "subject": [subjects.index(one) for one in rows["USUBJID"]],
            "period": 0,
            "place": [WEEKS.index(week) for week in rows["AVISITN"]],
            "AVAL": rows["AVAL"].astype(float).to_numpy(),
            "BLQFL": "",
            "SEQ": rows.groupby("USUBJID").cumcount().to_numpy() + 1.0,
            "DTC": "",
            "DY": np.nan,
            "VISIT": [f"WEEK {week:g}" for week in rows["AVISITN"]],
        }
    )
    observed = np.full((1, len(subjects), 1, 4), np.nan)
    observed[0, frame["subject"], 0, frame["place"]] = frame["AVAL"]
    sites = sorted(pilot["SITEGR1"].unique())
    site = people["SITEGR1"].map(sites.index).to_numpy(dtype=float)
    course = Course(
        patients=xr.Dataset({"sitegr": (("replicate", "subject"), site[None], {"levels": sites})}, {"replicate": [0]}),
        names=ARMS, arms=people["TRTP"].map(ARMS.index).to_numpy()[None, :, None], true={}, observed={"adas": observed},
        status=np.zeros((1, len(subjects), 1)), times={"adas": np.asarray(WEEKS)}, planned={"adas": np.asarray(WEEKS)},
        below={}, watched={}, starts=(0.0,), left=np.full((1, len(subjects)), np.inf),
    )  # fmt: skip
    empty = Table("QS", "Questionnaires", "", "FINDINGS", (), (Column("QSSEQ", "x"),), pd.DataFrame({"QSSEQ": []}))
    home = Home("QS", "ACTOT", "Adas-Cog(11) Subscore", "score")
    return Recorded(protocol, {"QS": empty}, subjects, {"adas": home}, {"adas": frame}, course)


def subject_level(seen, pilot):
    people = pilot.groupby("USUBJID").first().reindex(list(seen.subjects))
    number = people["TRTP"].map(ARMS.index) + 1.0
    variables = [
        (assigned("STUDYID", "Study Identifier", core="Req"), np.full(len(people), "CDISCPILOT01")),
        (assigned("USUBJID", "Unique Subject Identifier"), people.index.to_numpy()),
        (assigned("SITEGRBL", "Pooled Site"), people["SITEGR1"]),
        (assigned("TRT01P", "Planned Treatment for Period 01"), people["TRTP"]),
        (assigned("TRT01PN", "Planned Treatment for Period 01 (N)", kind="integer"), number),
        (assigned("TRT01A", "Actual Treatment for Period 01"), people["TRTP"]),
        (assigned("TRT01AN", "Actual Treatment for Period 01 (N)", kind="integer"), number),
    ]  # fmt: skip
    return making.table("ADSL", "Subject-Level", "One record per subject", variables, of=making.SUBJECTS,
                        keys=("STUDYID", "USUBJID"))  # fmt: skip


def carried(table, pilot):
    """The data set with the records that the study carried forward, some from visits between the planned ones."""
    rows = pilot[pilot["DTYPE"] == "LOCF"]
    like = table.frame.drop_duplicates("USUBJID").set_index("USUBJID").reindex(rows["USUBJID"]).reset_index()
    changed = {"AVAL": "AVAL", "BASE": "BASE", "CHG": "CHG", "NRRLT": "AVISITN"}
    like = like.assign(**{name: rows[column].astype(float).to_numpy() for name, column in changed.items()})
    like["PCHG"] = 100 * like["CHG"] / like["BASE"].where(like["BASE"] != 0)
    like["AVISIT"], like["AVISITN"] = "", like["NRRLT"].map(WEEKS.index) + 1.0
    like = like.assign(DTYPE="LOCF", ABLFL="", SRCDOM="", SRCVAR="", QSSEQ=np.nan, ANL01FL="", ANL02FL="Y")
    like["ANL03FL"] = np.where(like["NRRLT"] == 24, "Y", "")
    frame = pd.concat([table.frame, like[table.frame.columns]], ignore_index=True)
    return replace(table, frame=frame.sort_values(list(table.keys), kind="stable", ignore_index=True))


@pytest.fixture(scope="module")
def study(pilot):
    protocol = planned(pilot)
    seen = recorded(pilot, protocol)
    chosen = selections(protocol, seen.homes)
    adsl = subject_level(seen, pilot)
    return protocol, chosen, adsl, measured(seen, adsl, "QS", list(chosen.values()))


def test_baselines_and_changes_are_those_that_the_study_submitted(pilot, study):
    made = study[3].frame.set_index(["USUBJID", "NRRLT"])
    theirs = pilot[pilot["DTYPE"].isna()].set_index(["USUBJID", "AVISITN"])
    assert len(made) == len(theirs)
    there = made.reindex(theirs.index)
    np.testing.assert_array_equal(there["BASE"], theirs["BASE"].astype(float))
    np.testing.assert_allclose(there["CHG"], theirs["CHG"].astype(float), rtol=1e-12, atol=1e-12)
    assert (there["ABLFL"] == "Y").sum() == (theirs.index.get_level_values(1) == 0).sum()


def test_our_checks_find_nothing_but_that_the_people_are_real(pilot, study):
    found = check((study[2], carried(study[3], pilot)), ())
    assert {(one.path, one.message) for one in found} <= {
        (f"{name}.SIMFL", "is not Y in every record") for name in ("ADSL", "ADQS")
    } | {("ADQS.QSSEQ", "is said to be from QS.QSSEQ, which is not there"),
         ("ADQS.ADY", "is said to be from QS.QSDY, which is not there")}  # fmt: skip


@pytest.fixture(scope="module")
def data(pilot, study):
    protocol, chosen, adsl, adqs = study
    return trial_data(protocol, (adsl, carried(adqs, pilot)), chosen.values())


@pytest.mark.parametrize("row", REFERENCE["pairwise"], ids=lambda row: row["contrast"])
def test_differences_of_table_14_3_01(data, row):
    test, control = row["contrast"].split(" - ")
    model = AncovaAtVisit("it", "change", test, control, baseline="base", covariates=("sitegr",), all_arms=True)
    found = model(data)
    want = {"estimate": "estimate", "se": "SE", "df": "df", "lower": "lower.CL", "upper": "upper.CL", "p": "p.value"}
    for name, key in want.items():
        assert found[name].item() == pytest.approx(row[key], abs=2e-8), name
    assert found["n"].item() == 234


def test_printed_digits_of_table_14_3_01(data):
    """High dose less placebo: -1.0 (0.84), 95 % CI -2.7; 0.7, p = 0.233; low: -0.5 (0.82), -2.1; 1.1, p = 0.569."""
    printed = {ARMS[2]: ("-1.0", "0.84", "-2.7", "0.7", "0.233"), ARMS[1]: ("-0.5", "0.82", "-2.1", "1.1", "0.569")}
    for arm, want in printed.items():
        model = AncovaAtVisit("it", "change", arm, ARMS[0], baseline="base", covariates=("sitegr",), all_arms=True)
        found = model(data)
        digits = {"estimate": 1, "se": 2, "lower": 1, "upper": 1, "p": 3}
        assert tuple(f"{found[name].item():.{count}f}" for name, count in digits.items()) == want


def test_dose_response_of_table_14_3_01(data):
    found = AncovaTrend("it", "week24", ARMS, (0, 54, 81), covariates=("base", "sitegr"))(data)
    assert found["p"].item() == pytest.approx(REFERENCE["p_dose_response"], abs=1e-8)
    assert f"{found['p'].item():.3f}" == "0.245"
