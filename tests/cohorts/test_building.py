"""The PyMC model draws the same patients as numpy does, in distribution: two algebras, one set of equations."""

import numpy as np
import pytest
from scipy import stats

from cohorts import PopulationError, draw

DRAWS = 3000
NAMES = (
    "cl_pop", "omega_cl", "gamma_f", "beta_cl_weight", "rho_cl_v", "rho_cl_f", "omega_shift", "f_pop",
    "sigma_additive_concentration", "weight", "age", "cl", "v", "f", "shift",
)  # fmt: skip


@pytest.fixture(scope="module")
def both(population):
    """Values of each quantity: drawn by PyMC from the built model, and by numpy."""
    import pymc as pm

    model = population.build(2, occasions=2)
    tensors = [model[name] for name in (*NAMES, "sex", "beta_cl_sex")]
    built = dict(
        zip(
            (*NAMES, "sex", "beta_cl_sex"),
            pm.draw(tensors, draws=DRAWS, random_seed=1, mode="FAST_COMPILE"),
            strict=True,
        )
    )
    return built, draw(population, 2, DRAWS, seed=2, occasions=2)


@pytest.mark.parametrize("name", NAMES)
def test_marginal_distributions_agree(both, name):
    built, drawn = both
    one, other = (np.reshape(v[name], (DRAWS, -1))[:, 0] for v in (built, {name: drawn[name].values}))
    assert stats.ks_2samp(one, other).pvalue > 1e-3


def test_levels_agree(both):
    built, drawn = both
    table = [np.bincount(np.ravel(v)[:DRAWS], minlength=2) for v in (built["sex"][:, 0], drawn["sex"].values[:, 0])]
    assert stats.chi2_contingency(table).pvalue > 1e-3
    assert (built["beta_cl_sex"][:, 0] == 0).all()
    assert stats.ks_2samp(built["beta_cl_sex"][:, 1], drawn["beta_cl_sex"].values[:, 1]).pvalue > 1e-3


def test_dependence_agrees(both):
    """Between people, occasions, parameters and covariates: rank correlations of every pair."""
    built, drawn = both

    def columns(source):
        parts = [np.reshape(np.asarray(source[n]), (DRAWS, -1)) for n in ("cl", "v", "f", "shift", "weight", "age")]
        return np.concatenate(parts, axis=1)

    one, other = (stats.spearmanr(columns(v)).statistic for v in (built, drawn))
    assert one.shape == (16, 16)
    assert np.abs(one - other).max() < 4.5 * np.sqrt(2 / DRAWS)
    assert one[0, 1] > 0.5


def test_shapes_and_names(population):
    model = population.build(3, occasions=2)
    assert {v.name for v in model.free_RVs} >= {"cl_pop", "omega_cl", "gamma_f", "z_cl", "k_cl", "k_f", "sex", "weight"}
    assert model.named_vars_to_dims["cl"] == ("subject", "occasion")
    assert model.named_vars_to_dims["v"] == ("subject",)
    unresolved = population.build(3)
    assert unresolved.named_vars_to_dims["cl"] == ("subject",)
    assert not {"k_cl", "gamma_f"} & {v.name for v in unresolved.free_RVs}


@pytest.mark.parametrize("cohort", [0, -1, True])
def test_a_cohort_has_people(population, cohort):
    with pytest.raises(PopulationError, match="cohort: got"):
        population.build(cohort)
