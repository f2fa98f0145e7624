"""What reports say of priors: how far they hold the posterior, and that a check nobody kept was not made."""

import numpy as np
import pytest
import xarray as xr

import cohorts
from trials.evidence.reports.document import Figure, Grid, Paragraph
from trials.evidence.reports.fit_sections import _before, _sensitivity
from trials.report_tables import with_error

CHAINS, DRAWS = 4, 500


def tree(prior_sd):
    """Draws of a normal mean under one observation of variance 1 at 1, and a normal prior about 0."""
    variance = 1 / (1 + prior_sd**-2)
    drawn = np.random.default_rng(3).normal(variance, variance**0.5, (CHAINS, DRAWS))
    dims = ("chain", "draw")
    groups = {
        "posterior": {"mean": (dims, drawn)},
        "log_prior": {"mean": (dims, -0.5 * (drawn / prior_sd) ** 2)},
        "log_likelihood": {"y": ((*dims, "observation"), -0.5 * (drawn - 1)[..., None] ** 2)},
    }
    made = xr.DataTree.from_dict({name: xr.Dataset(found) for name, found in groups.items()})
    made.attrs = {"outputs": '["y"]'}
    return made


@pytest.mark.parametrize(("prior_sd", "held"), [(0.3, True), (30.0, False)])
def test_sensitivity_to_the_prior_is_that_of_power_scaling(prior_sd, held):
    given = tree(prior_sd)
    (table,) = _sensitivity(given)
    assert isinstance(table, Grid)
    found = cohorts.prior_sensitivity(given)
    ((name, prior, likelihood, remark),) = table.rows
    assert name == "`mean`"
    assert prior == with_error(float(found["prior"][0]), float(found["prior_mcse"][0]))
    assert likelihood == with_error(float(found["likelihood"][0]), float(found["likelihood_mcse"][0]))
    assert (float(found["prior"][0]) > 0.05) == held
    assert (remark != "none") == held
    assert table.trace is not None


def test_what_was_not_kept_is_said():
    bare = xr.DataTree.from_dict({"posterior": tree(1.0)["posterior"].to_dataset()})
    for made in (_before(bare), _sensitivity(bare)):
        (words,) = made
        assert isinstance(words, Paragraph)
        assert "keeps no" in words.text


def test_check_of_the_prior_is_drawn_from_its_own_draws(monkeypatch):
    from matplotlib.figure import Figure as Drawing

    asked = []

    def drawn(given, **options):
        asked.append((given, options))
        return Drawing()

    monkeypatch.setattr(cohorts, "plot_vpc", drawn)
    given = tree(1.0)
    given["prior_predictive"] = xr.DataTree(xr.Dataset({"y": (("chain", "draw"), np.zeros((1, 2)))}))
    (figure,) = _before(given)
    assert isinstance(figure, Figure)
    assert "priors alone" in figure.caption
    ((tree_given, options),) = asked
    assert tree_given is given
    assert options == {"group": "prior_predictive", "output": "y"}
