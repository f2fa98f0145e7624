"""Analyses of times to event agree with R's survival package on three data sets, to the printed digits."""

import json
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from scipy import stats

from trials.analyses.cox import Cox
from trials.analyses.kaplan_meier import KaplanMeier
from trials.analyses.log_rank import LogRank
from trials.analyses.log_rank_arms import LogRankArms
from trials.analyses.rmst import RestrictedMean
from trials.analyses.survival.curve import curve, restricted_mean
from trials.analyses.survival_quantile import SurvivalQuantile
from trials.analyses.weibull import Weibull

HERE = Path(__file__).resolve().parents[1] / "reference"
REFERENCE = json.loads((HERE / "survival.json").read_text(encoding="utf-8"))
ARMS = {"veteran": ["1", "2"], "lung": ["1", "2"], "dermatologic": ["Placebo", "Xanomeline Low Dose"]}
ARMS["dermatologic"] += ["Xanomeline High Dose"]
NAMES = {"veteran": "veteran", "lung": "lung_sex", "dermatologic": "TTE_dermatologic"}
PRINTED = {"rel": 0, "abs": 1.1e-8}


def study(name):
    """One replicate of trial data: a whole data set."""
    rows = pd.read_csv(HERE / "survival_data.csv", dtype={"arm": str}).query("study == @name")
    dims = ("replicate", "subject")

    def row(values):
        return dims, np.asarray(values)[None]

    arm = (*row(rows.arm.map(ARMS[name].index)), {"names": ARMS[name]})
    made = xr.Dataset({"time": row(rows.time.astype(float)), "time_event": row(rows.event == 1), "arm": arm})
    more = {column: row(rows[column]) for column in ("karno", "age", "prior")}
    return made.assign(more | {"cell": row(rows.cell.astype("category").cat.codes.astype(float))})


def compared(kind, name, test=1, **more):
    arms = ARMS[name]
    analysis = kind(name="it", endpoint="time", test=arms[test], control=arms[0], **more)
    return analysis(study(name)).isel(replicate=0)


@pytest.mark.parametrize("name", ARMS)
def test_kaplan_meier_tables(name):
    data = study(name)
    tau = float(data["time"].max())
    for arm, wanted in zip(ARMS[name], REFERENCE[NAMES[name]]["km"], strict=True):
        found = SurvivalQuantile(name="it", endpoint="time", arm=arm, transform="log")(data).isel(replicate=0)
        assert found["n"] == wanted["records"]
        if wanted["median"] is None:
            assert found["failed"]
        else:
            assert found["events"] == wanted["events"]
            assert found["estimate"] == wanted["median"]
            assert (found["lower"], found["upper"]) == (wanted["0.95LCL"], wanted["0.95UCL"])
        used = (data["arm"] == ARMS[name].index(arm)).values
        mean, variance = restricted_mean(curve(data["time"].values, data["time_event"].values, used), tau)
        assert mean[0] == pytest.approx(wanted["rmean"], **PRINTED)
        assert np.sqrt(variance[0]) == pytest.approx(wanted["se(rmean)"], **PRINTED)


@pytest.mark.parametrize("name", ["veteran", "lung"])
def test_log_rank(name):
    found, wanted = compared(LogRank, name), REFERENCE[NAMES[name]]
    assert found["statistic"] ** 2 == pytest.approx(wanted["logrank_chisq"], **PRINTED)
    assert found["p"] == pytest.approx(wanted["logrank_p"], **PRINTED)


@pytest.mark.parametrize("name", ARMS)
def test_log_rank_of_all_arms(name):
    wanted = REFERENCE[NAMES[name]]
    found = LogRankArms(name="it", endpoint="time", arms=ARMS[name], question="any")(study(name)).isel(replicate=0)
    assert found["chi_square"] == pytest.approx(wanted["logrank_chisq"], **PRINTED)
    assert found["df"] == wanted["logrank_df"]
    assert found["p"] == pytest.approx(wanted["logrank_p"], rel=1e-3, abs=0)  # theirs is 1 less a number next to 1


@pytest.mark.parametrize("ties", ["efron", "breslow"])
@pytest.mark.parametrize("name", ARMS)
def test_cox(name, ties):
    for test, wanted in enumerate(REFERENCE[NAMES[name]][f"cox_{ties}"], start=1):
        others = [arm for index, arm in enumerate(ARMS[name]) if index not in (0, test)]
        found = compared(Cox, name, test, ties=ties, others=others)
        assert found["estimate"] == pytest.approx(wanted["coef"], **PRINTED)
        assert found["se"] == pytest.approx(wanted["se(coef)"], **PRINTED)
        assert found["statistic"] == pytest.approx(wanted["z"], rel=1e-7, abs=1e-8)
        assert found["p"] == pytest.approx(wanted["Pr(>|z|)"], rel=1e-7, abs=1e-8)
        if ties == "efron":
            values = [found["log_likelihood_null"], found["log_likelihood"]]
            assert values == pytest.approx(REFERENCE[NAMES[name]]["cox_loglik"], **PRINTED)


@pytest.mark.parametrize("ties", ["efron", "breslow"])
def test_cox_with_covariates_and_strata(ties):
    wanted = REFERENCE["veteran_statsmodels"][ties]
    found = compared(Cox, "veteran", ties=ties, covariates=["karno", "age"], strata=["cell", "prior"])
    assert found["estimate"] == pytest.approx(wanted["coef"][0], **PRINTED)
    assert found["se"] == pytest.approx(wanted["se"][0], **PRINTED)
    assert found["log_likelihood"] == pytest.approx(wanted["log_likelihood"], rel=1e-12)


def test_restricted_means():
    found = compared(RestrictedMean, "veteran", tau=365)
    mean, se = REFERENCE["veteran_rmst_365"]
    assert found["mean_control"] == pytest.approx(mean["1"], **PRINTED)
    assert found["mean_test"] == pytest.approx(mean["2"], **PRINTED)
    assert found["se"] == pytest.approx(np.hypot(se["1"], se["2"]), **PRINTED)
    assert found["estimate"] == pytest.approx(mean["2"] - mean["1"], abs=2e-8)
    ratio = compared(RestrictedMean, "veteran", tau=365, contrast="ratio")
    assert ratio["estimate"] == pytest.approx(np.log(mean["2"] / mean["1"]), abs=1e-9)
    assert ratio["se"] == pytest.approx(np.hypot(se["1"] / mean["1"], se["2"] / mean["2"]), abs=1e-9)


def test_weibull_regression():
    found, wanted = compared(Weibull, "veteran"), REFERENCE["veteran_weibull"]
    assert found["estimate"] == pytest.approx(wanted["coef"]["trt"], **PRINTED)
    assert 1 / found["shape"] == pytest.approx(wanted["scale"], **PRINTED)
    assert found["log_likelihood"] == pytest.approx(wanted["loglik"], **PRINTED)


@pytest.mark.parametrize("name", ["veteran", "lung"])
def test_scipy_agrees(name):
    data = study(name).isel(replicate=0)
    arm, time, event = (data[each].values for each in ("arm", "time", "time_event"))
    halves = [stats.CensoredData.right_censored(time[arm == i], ~event[arm == i]) for i in (0, 1)]
    scipy = stats.logrank(halves[1], halves[0])
    found = compared(LogRank, name)
    assert found["statistic"] == pytest.approx(scipy.statistic, rel=1e-12)
    assert found["p"] == pytest.approx(scipy.pvalue, rel=1e-12)
    for transform, method in (("plain", "linear"), ("log-log", "log-log")):
        wanted = stats.ecdf(halves[1]).sf
        km = KaplanMeier(name="it", endpoint="time", arm=ARMS[name][1], time=200, transform=transform)(study(name))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # no interval where survival is 0
            interval = wanted.confidence_interval(method=method)
        for limit, curved in (("estimate", wanted), ("lower", interval.low), ("upper", interval.high)):
            assert km[limit].item() == pytest.approx(float(curved.evaluate(200)), rel=1e-12), (transform, limit)
