"""Owen's Q and the exact power against adaptive quadrature, scipy's noncentral t and simple limits."""

from itertools import pairwise

import numpy as np
import pytest
from scipy import integrate, special, stats

from trials.errors import TrialError
from trials.power import LAYOUTS, bioequivalence, owens_q, sample_size


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


SEQUENCES = {
    "2x2": ["TR", "RT"],
    "2x2x3": ["TRT", "RTR"],
    "2x2x4": ["TRTR", "RTRT"],
    "2x3x3": ["TRR", "RTR", "RRT"],
    "3x3": ["TRS", "RST", "STR"],
    "3x6x3": ["TRS", "TSR", "RTS", "RST", "STR", "SRT"],
    "4x4": ["TRSU", "RUTS", "USRT", "STUR"],
}


@pytest.mark.parametrize("design", SEQUENCES)
@pytest.mark.parametrize("extra", [0, 1])
def test_layouts_are_those_of_least_squares(design, extra):
    sequences, layout = SEQUENCES[design], LAYOUTS[design]
    each = 3 if len(sequences) > 2 else 5
    subjects = [words for words in sequences for _ in range(each)] + sequences[:extra]
    n, periods = len(subjects), len(sequences[0])
    letters = sorted({letter for words in sequences for letter in words} - {"R"})
    rows = []
    for subject, words in enumerate(subjects):
        for period, letter in enumerate(words):
            row = [letter == other for other in letters] + [subject == i for i in range(n)]
            rows.append(row + [period == i for i in range(1, periods)])
    columns = np.array(rows, float)
    assert n * periods - np.linalg.matrix_rank(columns) == layout.per_subject * n - layout.lost
    variance = np.linalg.inv(columns.T @ columns)[letters.index("T"), letters.index("T")]
    sizes = [subjects.count(words) for words in sequences]
    # Of unequal sequences the sum of 1/n is exact for two of them, and an approximation for more.
    rel = 1e-9 if extra == 0 or design in ("2x2", "2x2x4") else 0.05
    assert layout.constant * sum(1 / size for size in sizes) == pytest.approx(variance, rel=rel)


@pytest.mark.parametrize("design", LAYOUTS)
def test_power_of_each_layout_by_simulation_of_its_statistics(design):
    layout, cv, n, ratio = LAYOUTS[design], 0.3, 24, 0.95
    rng = np.random.default_rng(3)
    df, trials_ = layout.per_subject * n - layout.lost, 400_000
    sd = np.sqrt(np.log1p(cv**2))
    unit = np.sqrt(layout.constant * layout.groups**2 / n)
    estimate = np.log(ratio) + sd * unit * rng.standard_normal(trials_)
    half = stats.t.ppf(0.95, df) * sd * np.sqrt(rng.chisquare(df, trials_) / df) * unit
    passed = ((estimate - half > np.log(0.8)) & (estimate + half < np.log(1.25))).mean()
    error = 3.5 * np.sqrt(0.25 / trials_)
    assert float(bioequivalence(cv, n, ratio, design=design)) == pytest.approx(passed, abs=error)
    found = sample_size(cv, ratio, design=design)
    assert found.n % layout.groups == 0
    assert found.power == bioequivalence(cv, found.n, ratio, design=design) >= 0.8
    assert bioequivalence(cv, found.n - layout.groups, ratio, design=design) < 0.8


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: bioequivalence(0, 24), r"cv: got 0, wanted a fraction above 0"),
        (lambda: bioequivalence(np.array([0.2, -0.1]), 24), r"cv: got -0\.1"),
        (lambda: bioequivalence(0.2, 24, design="2x5"), r"design: got '2x5', wanted one of 2x2,"),
        (lambda: bioequivalence(0.2, 5, design="3x6x3"), r"n: got 5, wanted a whole number of 6 or more"),
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
