"""The Laplace approximation of the theophylline population beside the recorded Monolix fit."""

import pytest

import cohorts
from tests.validation.popfit import case, estimates

TYPICAL = {"ka_pop": ("ka_pop", 1.0), "cl_pop": ("Cl_pop", 70.0), "v_pop": ("V_pop", 70.0)}
SPREAD = {"omega_ka": "omega_ka", "omega_cl": "omega_Cl", "omega_v": "omega_V"}


@pytest.mark.slow
def test_a_first_look_is_near_the_reference_and_says_what_it_is():
    one, monolix = case("theophylline_adults"), estimates("theophylline", "monolix2rx")
    tree = cohorts.approximate(one.population, one.data, one.predict, seed=1)
    assert tree.attrs["approximation"] == "laplace"
    assert tree.attrs["pareto_k"] < 0.7
    assert tree.attrs["ess"] > 100
    posterior = tree["posterior"].to_dataset()
    assert posterior["cl"].sizes == {"chain": 4, "draw": 250, "subject": 12}
    for name, (reference, scale) in TYPICAL.items():
        want = monolix[reference]
        assert abs(float(posterior[name].mean()) / scale - want["est"]) < want["se"], name
        assert 0.6 < float(posterior[name].std()) / scale / want["se"] < 1.7, name
    for name, reference in SPREAD.items():
        assert abs(float(posterior[name].mean()) - monolix[reference]["est"]) < 1.5 * monolix[reference]["se"], name
    patients = cohorts.draw(one.population, 20, 50, seed=1, posterior=tree)
    assert float(patients["cl_pop"].mean()) == pytest.approx(float(posterior["cl_pop"].mean()), rel=0.05)


def test_only_the_approximation_s_own_gate_can_be_opened():
    one = case("theophylline_adults")
    with pytest.raises(cohorts.PopulationError, match=r"allow: got \['rhat'\]"):
        cohorts.approximate(one.population, one.data, one.predict, seed=1, allow=["rhat"])
