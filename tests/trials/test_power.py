"""Owen's Q and the exact power against adaptive quadrature, scipy's noncentral t and simple limits."""

from itertools import pairwise

import numpy as np
import pytest
from scipy import integrate, special, stats

from trials.errors import TrialError
from trials.power import bioequivalence, owens_q, sample_size


def quadrature(df, t, delta, upper):
    middle = np.sqrt(df)
    edges = sorted({0.0, *np.clip([middle - 3, middle, middle + 3, upper], 0, upper)})

    def integrand(x):
        return special.ndtr(t * x / np.sqrt(df) - delta) * stats.chi.pdf(x, df)

    return sum(integrate.quad(integrand, *piece, epsabs=1e-14, epsrel=1e-12, limit=200)[0] for piece in pairwise(edges))


def test_owens_q_agrees_with_adaptive_quadrature():
    rng = np.random.default_rng(1)
    for _ in range(25):
        df, t, delta = rng.integers(1, 300), 3 * rng.standard_normal(), 4 * rng.standard_normal()
        upper = rng.uniform(0.2, 1.8) * np.sqrt(df)
        assert owens_q(df, t, delta, upper) == pytest.approx(quadrature(df, t, delta, upper), abs=1e-11)


def test_owens_q_over_nothing_is_nothing():
    assert owens_q([1, 30], 1.0, 0.5, 0.0).tolist() == [0.0, 0.0]


def test_owens_q_to_infinity_is_the_noncentral_t():
    df, t, delta = np.array([1, 5, 22, 200])[:, None], np.array([-1.7, 0.4, 2.2]), 1.3
    found = owens_q(df, t, delta, np.inf)
    assert found.shape == (4, 3)
    np.testing.assert_allclose(found, stats.nct.cdf(t, df, delta), atol=1e-10)


def test_power_at_the_limits_is_alpha_when_the_trial_is_precise():
    np.testing.assert_allclose(bioequivalence([0.05, 0.1], 24, [[1.25], [0.8]]), 0.05, atol=1e-6)
    assert bioequivalence(0.1, 24, 1.25, alpha=0.01) == pytest.approx(0.01, abs=1e-6)


def test_the_test_is_conservative_when_the_trial_is_imprecise():
    power = bioequivalence(np.array([0.2, 0.3, 0.5, 1.0]), 24, 1.25)
    assert (np.diff(power) < 0).all()
    assert power[-1] < 1e-3


def test_power_is_symmetric_in_the_ratio_and_grows_with_size():
    np.testing.assert_allclose(bioequivalence(0.25, 24, 0.92), bioequivalence(0.25, 24, 1 / 0.92), rtol=1e-10)
    sizes = np.arange(12, 100)
    assert (np.diff(bioequivalence(0.3, sizes, 0.95)) > 0).all()
    assert bioequivalence(0.01, 12, 1.0) == pytest.approx(1.0)


def test_shapes_broadcast_and_numbers_are_numbers():
    assert bioequivalence(np.full((3, 1), 0.2), [12, 24], 0.95).shape == (3, 2)
    assert float(bioequivalence(0.2, 24)) == bioequivalence([0.2], 24)[0]


def test_the_sample_size_is_the_smallest():
    found = sample_size(0.27, 1.04, target=0.85)
    assert found.n % 2 == 0
    assert found.power == bioequivalence(0.27, found.n, 1.04) >= 0.85
    assert bioequivalence(0.27, found.n - 2, 1.04) < 0.85
    assert sample_size(0.8, 0.9).n > 256


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: bioequivalence(0, 24), r"cv: got 0, wanted a fraction above 0"),
        (lambda: bioequivalence(np.array([0.2, -0.1]), 24), r"cv: got -0\.1"),
        (lambda: bioequivalence(0.2, 2), r"n: got 2, wanted a whole number of 3 or more"),
        (lambda: bioequivalence(0.2, 24.5), r"n: got 24\.5"),
        (lambda: bioequivalence(0.2, 24, np.nan), r"ratio: got nan"),
        (lambda: bioequivalence(0.2, 24, lower=1.3), r"lower: got 1\.3"),
        (lambda: bioequivalence(0.2, 24, alpha=0.6), r"alpha: got 0\.6"),
        (lambda: sample_size(0.2, target=1), r"target: got 1, wanted a power in \(0, 1\)"),
        (lambda: sample_size(0.2, 1.25), r"ratio: got 1\.25, wanted a true ratio within \(0\.8, 1\.25\)"),
        (lambda: sample_size(2.0, 1.24), r"ratio: got 1\.24 at a cv of 2\.0, wanted one for which"),
    ],
)
def test_impossible_questions_are_refused(call, words):
    with pytest.raises(TrialError, match=words):
        call()
