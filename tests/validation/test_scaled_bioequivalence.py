"""Scaled bioequivalence against the data sets of the European Medicines Agency, and its operating characteristics."""

from pathlib import Path

import numpy as np
import pytest

from tests.trials.crossover_data import from_table, simulated
from trials.analyses.scaled_bioequivalence import ScaledBioequivalence

FOLDER = Path(__file__).resolve().parents[1] / "reference"
WHAT = ("it", "pk", "test", "reference")
# lm of R 4.2.2 with effects of sequence, subject, period and treatment; in print to two decimals: EMA/618604/2008,
# and Schütz et al. (2020), doi:10.1208/s12248-020-0427-6, tables of DS01 and DS02
EMA = {
    1: {"cv": 46.9643071558, "pe": 115.65872777, "ci": (107.105665313, 124.894806174), "se": 0.0465086911288, "df": 217,
        "limits": 140.40, "n": 77},
    2: {"cv": 11.1707611777, "pe": 102.264399666, "ci": (97.3155468708, 107.464919793), "se": 0.0295355750327, "df": 45,
        "limits": 125.00, "n": 24},
}  # fmt: skip
# subjects' contrasts by lm of R 4.2.2 and the formulas of FDA's guidance on progesterone (2011)
FDA = {
    1: {"s": 0.446445462056, "pe": 1.15461307447, "se": 0.0490802331976, "df": 67, "bound": -0.0920763322322},
    2: {"s": 0.113972981696, "pe": 1.02264399666, "ci": (0.97257903653, 1.07528612548), "df": 21},
}


@pytest.mark.parametrize("number", [1, 2])
def test_ema_data_sets(number):
    want = EMA[number]
    found = ScaledBioequivalence(*WHAT, "EMA")(from_table(FOLDER / f"ema_replicate_{number}.csv"))
    assert 100 * found["cv_within_reference"].item() == pytest.approx(want["cv"], rel=1e-9)
    assert 100 * np.exp(found["estimate"].item()) == pytest.approx(want["pe"], rel=1e-9)
    assert 100 * np.exp([found["lower"].item(), found["upper"].item()]) == pytest.approx(want["ci"], rel=1e-9)
    assert found["se"].item() == pytest.approx(want["se"], rel=1e-9)
    assert found["df"].item() == want["df"]
    assert found["n"].item() == want["n"]
    assert 100 * np.exp(found["limit"].item()) == pytest.approx(want["limits"], abs=0.005)
    assert found["decision"].item()


@pytest.mark.parametrize("number", [1, 2])
def test_fda_criterion(number):
    want = FDA[number]
    found = ScaledBioequivalence(*WHAT, "FDA")(from_table(FOLDER / f"ema_replicate_{number}.csv"))
    assert np.sqrt(np.log1p(found["cv_within_reference"].item() ** 2)) == pytest.approx(want["s"], rel=1e-9)
    assert np.exp(found["estimate"].item()) == pytest.approx(want["pe"], rel=1e-9)
    assert found["df"].item() == want["df"]
    if "bound" in want:
        assert found["criterion"].item() == pytest.approx(want["bound"], rel=1e-9)
        assert np.isnan(found["limit"].item())
    else:
        assert np.exp([found["lower"].item(), found["upper"].item()]) == pytest.approx(want["ci"], rel=1e-9)
        assert np.isnan(found["criterion"].item())
    assert found["decision"].item()


FULL, PARTIAL = [[0, 1, 0, 1], [1, 0, 1, 0]], [[0, 1, 1], [1, 0, 1], [1, 1, 0]]


@pytest.mark.slow
@pytest.mark.parametrize("orders", [FULL, PARTIAL], ids=["full", "partial"])
@pytest.mark.parametrize("regulator", ["EMA", "FDA"])
def test_type_i_error_of_a_reference_that_varies_little(orders, regulator):
    """At a CV of 20 % the limits never widen, so two one-sided tests of 5 % are left."""
    data = simulated(orders, per_sequence=24, replicates=20_000, seed=3, effects=(np.log(1.25), 0.0), cv=0.20)
    found = ScaledBioequivalence(*WHAT, regulator)(data)["decision"].mean().item()
    assert found == pytest.approx(0.05, abs=3 * np.sqrt(0.05 * 0.95 / 20_000))


# ratio, within-subject CV, subjects of TRTR/RTRT, share that passes; PowerTOST 1.5.6 (in its vignette on
# scaled bioequivalence and in its manual), from simulations of the statistics, 100,000 and more
PASSES = {
    "EMA, power": ("EMA", 0.90, 0.40, 30, 0.80656),
    "EMA, inflated at the expanded limit": ("EMA", 1.29481, 0.35, 34, 0.0656),
    "EMA, power at 35 %": ("EMA", 0.90, 0.35, 34, 0.812),
    "FDA, inflated at the implied limit": ("FDA", 1.25, 0.30, 32, 0.147),
    "FDA, desired consumer risk": ("FDA", 1.25, 0.253962, 32, 0.0636),
}


@pytest.mark.slow
@pytest.mark.parametrize("case", PASSES)
def test_the_share_that_passes_is_powertosts(case):
    regulator, ratio, cv, n, target = PASSES[case]
    data = simulated(FULL, per_sequence=n // 2, replicates=20_000, seed=5, effects=(np.log(ratio), 0.0), cv=cv)
    found = ScaledBioequivalence(*WHAT, regulator)(data)["decision"].mean().item()
    error = np.sqrt(target * (1 - target) * (1 / 20_000 + 1 / 100_000))
    assert found == pytest.approx(target, abs=3 * error + 5e-4)


# Tóthfalusi & Endrényi (2012), doi:10.18433/J3Z88F, table A4: fewest subjects for 80 % power at a ratio of 0.90
@pytest.mark.slow
@pytest.mark.parametrize(("cv", "n"), [(0.40, 24), (0.50, 22)])
def test_published_sample_sizes_of_the_fda_criterion(cv, n):
    powers = []
    for subjects in (n - 2, n):
        data = simulated(FULL, per_sequence=subjects // 2, replicates=20_000, seed=5, effects=(np.log(0.9), 0.0), cv=cv)
        powers.append(ScaledBioequivalence(*WHAT, "FDA")(data)["decision"].mean().item())
    assert powers[0] < 0.80 + 0.01  # the table is of 10,000 simulations
    assert powers[1] > 0.80 - 0.01
