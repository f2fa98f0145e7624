"""What an enrolment promises: the calendar time of every randomisation, and the site it happened at."""

from abc import ABC, abstractmethod
from typing import NamedTuple

import numpy as np

from trials.randomisation import Rng


class Calendar(NamedTuple):
    """When and where the subjects of some replicates were randomised, each (replicate, subject)."""

    enrolled: np.ndarray
    """Calendar time from the opening of the trial, in the model's time unit; it does not fall with the subject."""
    site: np.ndarray
    """Index into the enrolment's sites."""


class Enrolment(ABC):
    """How candidates come to the trial.

    Members are frozen dataclasses. Candidates come in a row; who fails screening lengthens the enrolment of whoever
    comes next. The first ``m`` subjects are the same however many follow.
    """

    __slots__ = ()

    @property
    @abstractmethod
    def site_names(self) -> tuple[str, ...]:
        """Names of the sites; empty where sites are not told apart."""

    @property
    @abstractmethod
    def region_names(self) -> tuple[str, ...]:
        """Names of the regions; empty where sites are not told apart."""

    @property
    @abstractmethod
    def region_of_site(self) -> tuple[int, ...]:
        """Index of the region of each site."""

    @abstractmethod
    def arrivals(self, generator: np.random.Generator, screened: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return calendar time and site, each (subject,), of the randomisations of one replicate.

        Parameters
        ----------
        generator
            That of the replicate, fresh.
        screened
            Candidates screened for each subject (subject,), the subject included: 1 where nobody fails.
        """

    def __call__(self, rng: Rng, replicates: range, screened: np.ndarray) -> Calendar:
        """Return the calendar of several replicates; ``screened`` is (replicate, subject)."""
        times, site = np.empty(screened.shape), np.empty(screened.shape, dtype=np.int64)
        for row, replicate in enumerate(replicates):
            times[row], site[row] = self.arrivals(rng(replicate), screened[row])
        return Calendar(times, site)


def waiting(uniforms: np.ndarray, screened: np.ndarray) -> np.ndarray:
    """Return the expected number of candidates (subject,) that pass before each subject of a Poisson process.

    Each candidate adds an exponential number of mean 1, so those screened for one subject add a gamma number of that
    shape, by inversion of one uniform number: scenarios with other screening failures keep their common randomness.
    """
    if (screened == 1).all():
        return np.cumsum(-np.log1p(-uniforms))
    from scipy import special

    return np.cumsum(special.gammaincinv(screened, uniforms))


def crossing(times: np.ndarray, rates: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Return when the expected number of candidates reaches each wanted number (subject,).

    Parameters
    ----------
    times
        Increasing times at which the rate changes (step,); nobody comes before the first.
    rates
        Candidates per time from each of these on (step,), at least 0, the last above 0.
    wanted
        Expected numbers of candidates (subject,), above 0.
    """
    expected = np.concatenate([[0.0], np.cumsum(rates[:-1] * np.diff(times))])
    step = np.maximum(np.searchsorted(expected, wanted, side="left") - 1, 0)
    found: np.ndarray = times[step] + (wanted - expected[step]) / rates[step]
    return found
