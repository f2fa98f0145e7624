"""Every trial of the project, run small: a new file in ``conf/trial`` is tested without writing a test."""

import numpy as np
import pytest
import yaml

import trials
from tests.trials.small import SMALL
from trials.compose import conf_dir
from trials.table import characteristics_table, published_table

FILES = sorted((conf_dir() / "trial").glob("*.yaml"))


@pytest.fixture(scope="module", params=FILES, ids=[path.stem for path in FILES])
def result(request):
    spec = yaml.safe_load(request.param.read_text())
    unfitted = ["data=null"] if any("/data" in row for row in spec["defaults"] if isinstance(row, dict)) else []
    curve = ["power_curve.replicates=2"] if "power_curve" in spec else []
    return trials.run(trials.load(request.param.stem, [*SMALL, *unfitted, *curve, "replicates=4"]))


def test_every_analysis_of_every_scenario_has_outcomes(result):
    assert not result.outcomes["failed"].any()
    assert np.isfinite(result.outcomes["estimate"]).all()
    assert (result.outcomes["n"] > 0).all()
    assert (result.outcomes["duration"] > 0).all()
    assert (result.outcomes["subjects_failed"] == 0).all()
    assert np.isfinite(result.truth["effect"]).all()


def test_a_null_that_is_said_to_hold_holds(result):
    for scenario in result.trial.scenarios:
        for analysis in scenario.protocol.analyses:
            truth = result.truth.sel(scenario=scenario.name, analysis=analysis.name)
            if analysis.name in scenario.null:
                tolerance = 1e-9 + 3 * float(truth["mcse"])
                assert analysis.null(float(truth["effect"]), tolerance), (scenario.name, analysis.name)


def test_some_scenario_holds_the_null_and_some_does_not(result):
    """A trial always runs under the null as well."""
    for analysis in result.trial.protocol.analyses:
        if analysis.decides:
            held = [analysis.name in scenario.null for scenario in result.trial.scenarios]
            assert any(held)
            assert not all(held)


def test_it_says_what_it_is_and_prints(result):
    assert result.trial.question.endswith("?")
    assert result.trial.limits
    found = trials.characteristics(result)
    assert set(found) == {scenario.name for scenario in result.trial.scenarios}
    text = characteristics_table(result, found)
    assert max(map(len, text.splitlines())) <= 80
    assert all(row.trial in published_table(result) for row in result.trial.published)
