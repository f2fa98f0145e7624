"""What the pictures of trials under way show is what the result holds."""

from pathlib import Path

import numpy as np
import pytest

import trials
from trials.figures import monitoring, of_monitoring
from trials.figures.gallery import draw

CONF = Path(__file__).parent / "conf"


@pytest.fixture(scope="module")
def result():
    words = ["runs=null", "tracking=none", "truth.draws=2", "truth.patients=16", "store.trajectories=0"]
    return trials.run(trials.load("exponential_survival", words, config_dir=CONF), replicates=60)


@pytest.fixture
def shown(monkeypatch, result):
    """What each drawing was given."""
    given = {}
    for name in ("stopping", "spreads", "enrolment", "kaplan_meier"):
        monkeypatch.setattr(of_monitoring, name, lambda *a, _name=name: given.setdefault(_name, a))
    list(of_monitoring.monitoring_pictures(result))
    return given


def test_shares_of_stops_are_those_of_the_characteristics(result, shown):
    found = trials.characteristics(result)
    for stops in shown["stopping"][0]:
        primary = found[stops.scenario]["primary"]
        assert stops.shares.sum() == pytest.approx(1)
        np.testing.assert_allclose(stops.shares.sum(axis=0), [primary[f"stop_{k}"]["value"] for k in (1, 2)])
        assert stops.shares[0].sum() == pytest.approx(primary["efficacy"]["value"])
        assert stops.replicates == 60


def test_sizes_vary_as_the_outcomes_do(result, shown):
    labels = [label for label, _ in shown["spreads"][0]]
    assert "duration (month)" in labels
    spread = dict(shown["spreads"][0])["duration (month)"][0]
    np.testing.assert_array_equal(spread.values, result.outcomes["duration"].sel(scenario="effect").isel(analysis=0))


def test_accrual_and_curves_are_of_the_first_trial(shown):
    days, unit, looks = shown["enrolment"]
    assert (unit, len(looks)) == ("month", 2)
    np.testing.assert_array_equal(np.sort(days), days)
    curves, label = shown["kaplan_meier"]
    assert label == "time since randomisation (month)"
    assert sum(curve.followed.size for curve in curves) == 300
    for curve in curves:
        assert curve.survival[0] == 1
        assert (np.diff(curve.survival) <= 0).all()
        assert (curve.lower <= curve.survival).all()
        assert (curve.survival <= curve.upper).all()
        before = curve.followed[:, None] >= curve.times
        assert curve.survival[-1] <= 1 - (curve.followed.size - curve.censored.size) / curve.followed.size + 1e-9
        assert before[:, 0].all()


def test_every_picture_is_drawn(result):
    names = [picture.name for picture in draw(result)]
    assert {"stopping", "sizes", "enrolment", "survival_death"} <= set(names)
    assert "example_death" not in names


def test_bars_are_as_high_as_the_shares():
    shares = np.array([[0.2, 0.5], [0.1, 0.0], [0.0, 0.2]])
    figure = monitoring.stopping([monitoring.Stops("effect", shares, 100)])
    heights = [bar.get_height() for bar in figure.axes[0].patches]
    np.testing.assert_allclose(sorted(heights), sorted(shares.ravel()))
