"""Repeated endpoints at an interim look, and as data that are not what an analysis wants."""

import numpy as np
import pytest
import xarray as xr

from trials.analyses.ancova_at_visit import AncovaAtVisit
from trials.analyses.imputed import Imputed
from trials.analyses.mmrm import Mmrm
from trials.errors import TrialError

DIMS = ("replicate", "subject")
KINDS = (Mmrm, AncovaAtVisit, Imputed)


def trial(n=60):
    rng = np.random.default_rng(1)
    arm = rng.permuted(np.tile(np.arange(n) % 2, (2, 1)), axis=1)
    base = 50 + 8 * rng.standard_normal(arm.shape)
    y = base[..., None] - 4 * (arm == 0)[..., None] + 5 * rng.standard_normal((*arm.shape, 3))
    y[:, ::4, 2] = np.nan
    made = {"y": ((*DIMS, "visit_y"), y), "base": (DIMS, base), "arm": (DIMS, arm, {"names": ["test", "control"]})}
    return xr.Dataset(made, coords={"visit_y": [1.0, 2.0, 3.0], "replicate": [4, 5]})


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_who_is_not_enrolled_yet_is_not_there(kind):
    data = trial()
    cut = data.copy(deep=True)
    for name in ("y", "base"):
        cut[name].values[:, 44:] = np.nan
    cut["arm"].values[:, 44:] = -1
    analysis = kind("it", "y", "test", "control", baseline="base")
    found, want = analysis(cut), analysis(data.isel(subject=slice(44)))
    assert not found["failed"].any()
    for name in ("estimate", "se", "df", "p", "n"):
        np.testing.assert_allclose(found[name], want[name], rtol=1e-9, err_msg=name)  # sums in another order


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_data_of_another_kind_are_refused(kind):
    analysis, data = kind("it", "y", "test", "control", baseline="base"), trial()
    with pytest.raises(
        TrialError, match=r"analysis\.endpoint: got 'y', wanted a repeated endpoint beside 'arm'; the data"
    ):
        analysis(data.drop_vars("y"))
    with pytest.raises(TrialError, match=r"wanted a repeated endpoint with dims .* and planned times as coordinate"):
        analysis(data.drop_vars("visit_y"))
    with pytest.raises(TrialError, match=r"analysis\.control: got 'test', wanted another arm than analysis\.test"):
        kind("it", "y", "test", "test")
    with pytest.raises(TrialError, match=r"analysis\.control: got 'placebo', wanted one of the arms test, control"):
        kind("it", "y", "test", "placebo", baseline="base")(data)
