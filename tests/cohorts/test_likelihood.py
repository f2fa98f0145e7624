"""Log likelihoods of every kind of observation, on numpy and PyTensor, against scipy's distributions."""

import numpy as np
import pytest
from scipy import special, stats

from cohorts.specification import likelihood
from cohorts.specification.outcomes import OUTCOMES, Outcome
from cohorts.specification.quantities import Quantity
from cohorts.specification.residuals import ERRORS, Residual

F = np.array([0.4, 1.0, 3.0, 8.0, 0.05, 2.0])
DV = np.array([0.5, 0.7, 3.3, 6.0, 0.0, 0.0])
BELOW = np.array([False, False, False, False, True, True])
LLOQ = np.array([0.1, 0.1, 0.1, 0.1, 0.1, 0.3])
SIZES = {"additive": 0.3, "proportional": 0.2, "lognormal": 0.4}


def number(value):
    return Quantity("fixed", (value,), "x")


def evaluated(endpoint, predicted, values, dv, below=None, lloq=None):
    """The same log likelihood from numpy and PyTensor, after checking that they agree."""
    import pytensor.tensor as pt

    below = np.zeros(len(dv), dtype=bool) if below is None else below
    limits = {"below": below, "lloq": np.full(len(dv), np.nan) if lloq is None else lloq}
    found = endpoint.log_likelihood(dv, predicted, values, np, **limits)
    tensors = {n: pt.as_tensor(np.asarray(v)) for n, v in values.items()}
    other = endpoint.log_likelihood(dv, tuple(pt.as_tensor(p) for p in predicted), tensors, pt, **limits)
    np.testing.assert_allclose(other.eval(mode="FAST_COMPILE"), found, rtol=1e-11, atol=1e-13)
    return found


def by_hand(kind, nu, blq):
    """Beal's likelihoods from scipy's distributions, one observation at a time."""
    a, b = SIZES["additive"], SIZES["proportional"]
    sds = {"additive": lambda _: a, "proportional": lambda f: b * f, "combined1": lambda f: a + b * f,
           "combined2": lambda f: np.hypot(a, b * f), "lognormal": lambda _: SIZES["lognormal"]}  # fmt: skip
    for f, y, low, limit in zip(F, DV, BELOW, LLOQ, strict=True):
        log, sd = kind == "lognormal", sds[kind](f)
        dist = stats.norm(np.log(f) if log else f, sd) if nu is None else stats.t(nu, np.log(f) if log else f, sd)
        positive = blq == "M4" and not log
        if not low:
            density = dist.pdf(np.log(y)) / y if log else dist.pdf(y)
            yield np.log(density) - (np.log(1.0 - dist.cdf(0.0)) if positive else 0.0)
        elif blq == "M1":
            yield 0.0
        elif positive:
            yield np.log((dist.cdf(limit) - dist.cdf(0.0)) / (1.0 - dist.cdf(0.0)))
        else:
            yield np.log(dist.cdf(np.log(limit) if log else limit))


@pytest.mark.parametrize("blq", ["M1", "M3", "M4"])
@pytest.mark.parametrize("nu", [None, 4.0])
@pytest.mark.parametrize("kind", sorted(ERRORS))
def test_measurements_by_hand(kind, nu, blq):
    residual = Residual("y", kind, (), number(nu) if nu else None, blq)
    values = {n: SIZES[s] for s, n in residual.names.items() if s != "student"} | ({"nu_y": nu} if nu else {})
    found = evaluated(residual, (F,), values, DV, BELOW, LLOQ)
    np.testing.assert_allclose(found, list(by_hand(kind, nu, blq)), rtol=1e-10, atol=1e-14)


def test_the_tail_of_the_normal_distribution_is_exact():
    r = np.array([-30.0, -8.0, -1.0, -0.999, 0.0, 3.0, 9.0])
    np.testing.assert_allclose(likelihood.normal_below(r, np), special.log_ndtr(r), rtol=1e-12)


@pytest.mark.parametrize("nu", [None, 4.0])
@pytest.mark.parametrize("blq", ["M3", "M4"])
def test_gradients_are_finite_far_from_the_limit(blq, nu):
    """A limit 40 standard deviations away has a finite likelihood and a finite derivative."""
    import pytensor
    import pytensor.tensor as pt

    residual = Residual("y", "additive", (), number(nu) if nu else None, blq)
    f = pt.vector("f")
    values = {"sigma_additive_y": pt.as_tensor(np.asarray(0.1))} | (
        {"nu_y": pt.as_tensor(np.asarray(nu))} if nu else {}
    )
    total = residual.log_likelihood(np.zeros(3), (f,), values, pt, below=np.ones(3, dtype=bool), lloq=np.ones(3)).sum()
    function = pytensor.function([f], [total, pt.grad(total, f)], mode="FAST_COMPILE")
    value, gradient = function(np.array([5.0, 1.0, 0.01]))
    assert np.isfinite(value)
    assert np.isfinite(gradient).all()
    step = 1e-6
    ahead, _ = function(np.array([5.0 + step, 1.0, 0.01]))
    assert (ahead - value) / step == pytest.approx(gradient[0], rel=1e-3)


PROBABILITY, MEAN = np.array([0.2, 0.7, 0.9]), np.array([0.5, 3.0, 12.0])
WAIT = stats.expon(scale=1 / 0.3)
OTHERS = {
    "bernoulli": ((PROBABILITY,), {}, np.array([0.0, 1.0, 0.0]), lambda y: stats.bernoulli(PROBABILITY).logpmf(y)),
    "poisson": ((MEAN,), {}, np.array([0.0, 4.0, 9.0]), lambda y: stats.poisson(MEAN).logpmf(y)),
    "negative_binomial": (
        (MEAN,), {"dispersion_y": 0.7}, np.array([0.0, 4.0, 9.0]),
        lambda y: stats.nbinom(1 / 0.7, 1 / (1 + 0.7 * MEAN)).logpmf(y),
    ),
    "event": (
        (np.full(3, 0.3), 0.3 * np.array([1.0, 2.0, 5.0])), {}, np.array([1.0, 0.0, 1.0]),
        lambda y: np.where(y == 1, WAIT.logpdf([1, 2, 5]), WAIT.logsf([1, 2, 5])),
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", sorted(OUTCOMES))
def test_outcomes_by_hand(kind):
    predicted, values, dv, expected = OTHERS[kind]
    drivers = ("h", "ch") if kind == "event" else ()
    found = evaluated(Outcome("y", kind, (), drivers), predicted, values, dv)
    np.testing.assert_allclose(found, expected(dv), rtol=1e-10)


@pytest.mark.parametrize("kind", ["bernoulli", "poisson", "negative_binomial"])
def test_simulated_outcomes_have_their_distribution(kind):
    predicted, values, _, _ = OTHERS[kind]
    noise = np.random.default_rng(1).standard_normal((20000, 3))
    drawn = Outcome("y", kind).simulate(predicted, values, noise)
    mean = predicted[0]
    variance = {"bernoulli": mean * (1 - mean), "poisson": mean, "negative_binomial": mean + 0.7 * mean**2}[kind]
    assert np.abs(drawn.mean(axis=0) - mean).max() < 4 * np.sqrt(variance.max() / 20000)
    np.testing.assert_allclose(drawn.var(axis=0), variance, rtol=0.1)


def test_students_t_is_drawn_from_normal_noise():
    residual = Residual("y", "additive", (), number(5.0))
    noise = np.random.default_rng(2).standard_normal(20000)
    drawn = residual.observe(np.full(20000, 3.0), {"sigma_additive_y": 2.0, "nu_y": 5.0}, noise, np)
    assert stats.kstest((drawn - 3.0) / 2.0, stats.t(5).cdf).pvalue > 1e-3
    far = residual.observe(np.zeros(2), {"sigma_additive_y": 1.0, "nu_y": 5.0}, np.array([-9.0, 9.0]), np)
    assert far[0] == pytest.approx(-far[1])


def test_times_of_events_are_not_made_up():
    with pytest.raises(ValueError, match="y: the times of events are not told"):
        Outcome("y", "event", (), ("h", "ch")).simulate((F, F), {}, F)
