"""Outcomes sampled from hazards, intensities and mean counts, against the probabilities that the models compute."""

import numpy as np
import pytest
import xarray as xr

import engine
from engine.models.loading import load_evidence
from engine.outcomes import event_counts, event_times, markov_states

N = 4000
ERRORS = 4.0
"""Standard errors that a sampled mean may be off; the seeds are fixed, so nothing fails by chance."""


def many(name: str, times: np.ndarray, dosing: str | None = None) -> xr.Dataset:
    """The typical patient of a model, N times."""
    model = engine.load_model(name)
    regimen = load_evidence(name).example.dosing if dosing is None else engine.Regimen.parse(dosing)
    one = engine.simulate(model, model.typical, regimen, times)
    return one.isel(subject=np.zeros(N, dtype=int)).assign_coords(subject=np.arange(N))


def near(found: np.ndarray, probability: np.ndarray | float) -> None:
    """Fractions of N within some standard errors of probabilities."""
    error = np.sqrt(np.maximum(np.multiply(probability, np.subtract(1, probability)), 1 / N) / N)
    assert np.all(np.abs(found - probability) < ERRORS * error)


@pytest.mark.parametrize("name", ["nsclc_survival", "ovarian_survival"])
def test_sampled_deaths_follow_the_survival_of_the_model(name: str) -> None:
    times = np.linspace(0, 900, 181)
    found = many(name, times)
    deaths = event_times(found, seed=1, events=("death",))
    at = np.array([30, 60, 120, 180])
    alive = [(np.asarray(deaths.time) > times[k]).mean() if k < 180 else (deaths.event < 0).mean() for k in at]
    near(np.array(alive), found["survival"].to_numpy()[0, at])


def test_events_compete_in_proportion_to_their_hazards() -> None:
    times = np.linspace(0, 365, 366)
    found = many("event_hazards", times, "nothing")
    events = event_times(found, seed=2)
    hazards = {name: found[f"cumulative_hazard_{name}"].to_numpy()[0] for name in events.names}
    left = np.exp(-sum(hazards.values()))
    middle = (left[1:] + left[:-1]) / 2
    for number, name in enumerate(events.names):
        near((events.event == number).mean(), float(np.sum(middle * np.diff(hazards[name]))))


@pytest.mark.parametrize(
    ("name", "states", "until"),
    [
        ("markov_outcome", ("none", "mild", "severe"), 14.0),
        ("tuberculosis_outcome", ("active", "converted", "recurrent", "dropout", "death"), 24.0),
    ],
)
def test_markov_paths_have_the_occupancy_of_the_model(name: str, states: tuple[str, ...], until: float) -> None:
    times = np.linspace(0, until, 57)
    found = many(name, times)
    start = [found[f"probability_{state}"].to_numpy()[0, 0] for state in states]
    shares = [
        np.bincount(markov_states(found, states, initial=first, seed=3).to_numpy()[:, -1], minlength=len(states)) / N
        for first in states
        if start[states.index(first)] > 0
    ]
    mixed = np.average(shares, axis=0, weights=[weight for weight in start if weight > 0])
    near(mixed, np.array([found[f"probability_{state}"].to_numpy()[0, -1] for state in states]))


@pytest.mark.parametrize("name", ["count_outcome", "epilepsy_counts"])
def test_counts_have_the_mean_and_variance_of_the_model(name: str) -> None:
    times = np.array([0.0, 98.0])
    found = many(name, times)
    mean = float(found["cumulative_mean"][0, -1])
    dispersion = float(found["overdispersion"][0, 0]) if "overdispersion" in found else None
    counts = event_counts(found, seed=4, dispersion=dispersion).to_numpy()[:, 0]
    variance = mean + (dispersion or 0.0) * mean**2
    assert abs(counts.mean() - mean) < ERRORS * np.sqrt(variance / N)
    assert counts.var() == pytest.approx(variance, rel=0.15)
