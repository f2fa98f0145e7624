"""Analyses of times to event keep their level, are unbiased for their true effect and cover it, in simulated trials."""

import numpy as np
import pytest
import xarray as xr

from trials.analyses.cox import Cox
from trials.analyses.fleming_harrington import FlemingHarrington
from trials.analyses.kaplan_meier import KaplanMeier
from trials.analyses.log_rank import LogRank
from trials.analyses.log_rank_arms import LogRankArms
from trials.analyses.maxcombo import MaxCombo
from trials.analyses.milestone import Milestone
from trials.analyses.modestly_weighted import ModestlyWeighted
from trials.analyses.rmst import RestrictedMean
from trials.analyses.survival.data import events
from trials.analyses.survival_quantile import SurvivalQuantile
from trials.analyses.tarone_ware import TaroneWare
from trials.analyses.weibull import Weibull

pytestmark = pytest.mark.slow
DIMS = ("replicate", "subject")
REPLICATES, SUBJECTS, FOLLOWED = 20_000, 300, 18.0
FEW = 4_000
"""Replicates for bias and coverage."""
TWO = {"name": "it", "endpoint": "os", "test": "new", "control": "old", "alpha": 0.025}
LESS, MORE = ({**TWO, "alternative": side} for side in ("less", "greater"))
ONE = {"name": "it", "endpoint": "os", "arm": "new"}
TESTS = [
    LogRank(**LESS),
    LogRank(**LESS, strata=("s",)),
    FlemingHarrington(**LESS, rho=0, gamma=1),
    TaroneWare(**LESS, power=1),
]
TESTS += [ModestlyWeighted(**LESS, delay=6), MaxCombo(**LESS), Cox(**LESS), Cox(**LESS, method="likelihood-ratio")]
TESTS += [Cox(**LESS, method="score", strata=("s",)), RestrictedMean(**MORE, tau=18), Weibull(**MORE)]
TESTS += [
    RestrictedMean(**MORE, tau=18, contrast="ratio"),
    Milestone(**MORE, time=12),
    Milestone(**MORE, time=12, transform="plain"),
]
TESTS += [LogRankArms(name="it", endpoint="os", arms=("old", "new"), alpha=0.025, alternative="less")]
TESTS += [LogRankArms(name="it", endpoint="os", arms=("old", "new"), alpha=0.025, question="any")]
DESCRIPTIONS = [
    KaplanMeier(**ONE, time=12),
    KaplanMeier(**ONE, time=12, transform="plain"),
    SurvivalQuantile(**ONE, share=0.3),
]


def names(analyses):
    return [f"{type(analysis).__name__}{index}" for index, analysis in enumerate(analyses)]


def simulated(ratio, replicates, seed):
    """Exponential times with a median of 12 under control, followed for 18, with some lost."""
    rng = np.random.default_rng(seed)
    shape = (replicates, SUBJECTS)
    arm = np.broadcast_to(np.arange(SUBJECTS) % 2, shape)
    event = 12 / np.log(2) * rng.exponential(size=shape) / np.where(arm == 1, ratio, 1.0)
    limit = np.minimum(rng.exponential(200, shape), FOLLOWED)
    limit[:, :2] = FOLLOWED
    made = {"os": (DIMS, np.minimum(event, limit)), "os_event": (DIMS, event <= limit)}
    made |= {"arm": (DIMS, arm, {"names": ["old", "new"]}), "s": (DIMS, rng.integers(0, 3, shape))}
    return xr.Dataset(made)


@pytest.fixture(scope="module")
def null():
    return simulated(1.0, REPLICATES, 1)


@pytest.fixture(scope="module")
def effective():
    return simulated(0.7, FEW, 2)


def blocks(analysis, data):
    parts = [
        analysis(data.isel(replicate=slice(start, start + 2000))) for start in range(0, data.sizes["replicate"], 2000)
    ]
    return xr.concat(parts, dim="replicate")


@pytest.mark.parametrize("analysis", TESTS, ids=names(TESTS))
def test_level_is_kept(analysis, null):
    found = blocks(analysis, null)
    assert found["failed"].sum() == 0
    assert found["decision"].mean() == pytest.approx(0.025, abs=3 * np.sqrt(0.025 * 0.975 / REPLICATES) + 5e-4)


@pytest.mark.parametrize("analysis", TESTS + DESCRIPTIONS, ids=names(TESTS + DESCRIPTIONS))
def test_truth_is_estimated_and_covered(analysis, effective):
    uniform = np.random.default_rng(3).exponential(size=200_000)
    times = {"old": 12 / np.log(2) * uniform, "new": 12 / np.log(2) / 0.7 * uniform}
    truth = analysis.truth({arm: events(np.minimum(time, FOLLOWED), time <= FOLLOWED) for arm, time in times.items()})
    found = blocks(analysis, effective)
    estimate, se = found["estimate"].values, found["se"].mean().item()
    error = np.hypot(estimate.std() / np.sqrt(FEW), truth.mcse)
    bias = 0.02 * se  # of the order of one over the events
    assert estimate.mean() == pytest.approx(truth.value, abs=3 * error + bias)
    assert se == pytest.approx(estimate.std(), rel=3 / np.sqrt(2 * FEW) + 0.02)
    covered = ((found["lower"] <= truth.value) & (truth.value <= found["upper"])).mean().item()
    assert covered == pytest.approx(analysis.level, abs=3 * np.sqrt(0.05 * 0.95 / FEW) + 2e-3)
