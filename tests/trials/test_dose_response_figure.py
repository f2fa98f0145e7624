"""Curves of dose response as the report shows them, and the true means of the arms beside them."""

from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest

import trials
from tests.trials.small import SMALL
from trials.analyses.descriptive import ArmMean
from trials.analyses.mcp_mod import MCPMod
from trials.block import Work, simulate, trial_data
from trials.figures.of_dose_response import dose_response_pictures
from trials.protocol import Truth
from trials.report import write
from trials.truth import TruthWork, true_values

FOLDER = Path(__file__).resolve().parent / "conf"
SIZES = ("replicates=20", "truth.draws=40", "truth.patients=40")


@cache
def result():
    small = [word for word in SMALL if not word.startswith(("replicates", "truth"))]
    made = trials.load("evolocumab_doses", [*small, *SIZES], config_dir=FOLDER)
    return trials.run(made)


def test_a_curve_from_the_arms_summaries_is_that_of_the_data():
    """The highest dose less the control on it is the analysis' own estimate."""
    made = result()
    analysis = made.trial.protocol.analysis("signal")
    arms = made.arms.sel(endpoint="change", scenario="as_published", arm=list(analysis.arms))
    size, mean, sd = (arms[name].transpose("replicate", "arm").values for name in ("n", "mean", "sd"))
    curve = analysis.curve(size, mean, sd, np.array([0.0, 70.0, 140.0]))
    wanted = made.outcomes["estimate"].sel(scenario="as_published", analysis="signal").values
    np.testing.assert_allclose(curve[:, -1] - curve[:, 0], wanted, rtol=1e-8)
    np.testing.assert_allclose(curve.mean(axis=0), arms["truth"].values[[0, 2, 3]], atol=3.0)


def test_a_curve_of_exact_means_goes_through_them():
    doses = np.array([0.0, 10.0, 40.0, 100.0])
    for shape, response in (
        (("emax", 20.0), 3 - 5 * doses / (20 + doses)),
        (("linear",), 3 - 0.05 * doses),
        (("linlog",), 3 - np.log(doses + 1)),
        (("quadratic", -0.006), 3 - doses + 0.006 * doses**2),
    ):
        analysis = MCPMod("m", "y", tuple("abcd"), tuple(doses), (shape,), delta=1.0, alternative="less")
        mean = np.stack([response, response])
        size, sd = np.array([[20, 20, 20, 20], [20, 0, 20, 20]]), np.ones((2, 4))
        found = analysis.curve(size, mean, sd, doses)
        np.testing.assert_allclose(found[0], response, atol=2e-5)
        assert np.isnan(found[1]).all()  # an arm without subjects


def test_true_means_are_those_of_many_subjects():
    made = result()
    arms = made.arms.sel(endpoint="change", scenario="as_published")
    error = np.hypot(arms["mean"].std("replicate", ddof=1) / np.sqrt(arms.sizes["replicate"]), arms["truth_mcse"])
    assert (arms["truth_mcse"] > 0).all()
    assert (abs(arms["mean"].mean("replicate") - arms["truth"]) < 4 * error).all()


def test_the_error_of_a_true_mean_is_that_of_an_analysis_of_the_arm():
    protocol = result().trial.protocol
    analyses = tuple(ArmMean(arm, "change", arm) for arm in protocol.design.arms)
    found = true_values(TruthWork(replace(protocol, analyses=analyses), Truth(6, 8, measured=True), 3, None))
    wanted = [[(effect.value, effect.mcse) for effect in found.effects]]
    np.testing.assert_allclose(found.means, wanted, rtol=1e-12)


def test_the_picture_shows_every_scenario_and_stands_in_the_report(tmp_path):
    made = result()
    (picture,) = dose_response_pictures(made)
    panels = picture.figure.get_axes()
    assert [each.get_title(loc="left") or each.get_title() for each in panels] == ["as published", "no effect"]
    middle, example = panels[0].get_lines()[:2]
    assert example.get_ydata()[0] != middle.get_ydata()[0]
    band = panels[0].collections[0].get_paths()[0].vertices[:, 1]
    assert band.min() < middle.get_ydata().min()
    assert band.max() > middle.get_ydata().max()
    page = write(made, tmp_path).read_text(encoding="utf-8")
    assert "Dose response." in page
    assert (tmp_path / "figures" / "dose_response.svg").stat().st_size > 5000


def test_estimands_have_summaries_and_published_rows_may_name_them():
    words = [word for word in SMALL if word != "replicates=6"]
    words += [
        "replicates=4",
        "design.n=60",
        "analyses.policy_20.endpoint=changes",
        "analyses.no_rescue.endpoint=changes",
    ]
    row = "{trial: T, quantity: change, value: -1, unit: percent, source: S, scenario: as_published, arm: mg20, "
    made = trials.load("diabetes_hba1c", [*words, f"published=[{row}endpoint: hypothetical}}]"])
    assert made.protocol.variables == ("baseline", "changes", "week24", "policy", "hypothetical")
    work = Work("", made.scenarios[0].protocol, range(3), 1, None)
    data = trial_data(work, simulate(work))
    here = trials.block.arm_summaries(made.protocol, data)
    values = np.where(data["arm"] == 0, data["hypothetical"].isel(visit_hypothetical=-1), np.nan)
    assert here["arm.mean"].shape == (3, 5, 3)
    np.testing.assert_allclose(here["arm.mean"][:, 4, 0], np.nanmean(values, axis=1))
    assert (here["arm.mean"][:, 4, 0] != here["arm.mean"][:, 1, 0]).any()


def test_a_published_row_of_an_unknown_estimand_is_refused():
    row = "{trial: T, quantity: change, value: -1, unit: percent, source: S, scenario: as_published, arm: mg20, "
    with pytest.raises(trials.TrialError, match=r"published\[0\]\.endpoint: got 'polcy', wants one of .*policy"):
        trials.load("diabetes_hba1c", [f"published=[{row}endpoint: polcy}}]"])
