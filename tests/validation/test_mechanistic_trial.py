"""A mechanistic trial, simulated and analysed, against mrgsolve 2.0.2 with R's lm.

Two-compartment oral drug, indirect response, 168 daily doses, 2 x 150 patients, ANCOVA at 24 weeks: there the
difference was -15.32 with a Monte Carlo error of 0.22.
"""

from pathlib import Path

import numpy as np
import pytest

import engine
import trials
from trials.block import Work, simulate_block

CONF = Path(__file__).resolve().parents[2] / "benchmarks" / "conf"


@pytest.fixture(scope="module")
def protocol():
    return trials.load("mechanistic", ["runs=null"], config_dir=CONF).scenario("active").protocol


def test_the_typical_response_at_the_end(protocol):
    typical = {parameter.name: parameter.value for parameter in protocol.model.parameters}
    found = engine.simulate_arrays(protocol.model, typical, protocol.arm("active").regimen, [4032.0], before_dose=True)
    assert found.outputs["effect"][0, 0] == pytest.approx(85.19078041, rel=2e-9)


def test_the_difference_between_the_arms(protocol):
    found = simulate_block(Work("", protocol, range(60), 1, None))
    estimate = found["outcome.estimate"][:, 0]
    mcse = estimate.std(ddof=1) / np.sqrt(60)
    assert not found["outcome.failed"].any()
    assert estimate.mean() == pytest.approx(-15.32, abs=3 * np.hypot(0.22, mcse))
