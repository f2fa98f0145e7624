"""The true effect on a repeated endpoint is that at the visit which is compared."""

import numpy as np

import trials
from tests.trials.small import SMALL


def true_effects(*overrides):
    result = trials.run(trials.load("diabetes_hba1c", [*SMALL, "replicates=2", *overrides]))
    return {name: result.truth["effect"].sel(analysis=name).values for name in result.truth["analysis"].values}


def test_a_mixed_model_has_the_true_effect_of_its_visit():
    last = true_effects("analyses.policy_20.endpoint=changes")
    np.testing.assert_allclose(last["policy_20"], last["completers"], rtol=1e-12)
    week8 = ("analyses.policy_20.visit=8", "endpoints.week24.visit=8")
    early = true_effects("analyses.policy_20.endpoint=changes", *week8)
    np.testing.assert_allclose(early["policy_20"], early["completers"], rtol=1e-12)
    assert not np.isclose(early["policy_20"][0], last["policy_20"][0], rtol=0.05)
