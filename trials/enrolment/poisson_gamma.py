"""Enrolment by sites whose rates differ: the Poisson-gamma model.

Anisimov VV, Fedorov VV (2007), Modelling, prediction and adaptive adjustment of recruitment in multicentre trials,
Statistics in Medicine 26:4958-4975, doi:10.1002/sim.2956: each site recruits as a Poisson process of its own rate, and
the rates of the sites are a sample of a gamma distribution.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from dataclasses import fields as dataclass_fields
from typing import Any

import numpy as np
from scipy import special

from trials.checks import Number, Optional, Whole, fields, label, refuse
from trials.enrolment.base import Enrolment, crossing, waiting
from trials.making import complete, known


@dataclass(frozen=True, slots=True)
class Region:
    """Sites that open and recruit alike."""

    name: str
    sites: int
    rate: float
    """Mean number of candidates of a site per unit of the model's time."""
    shape: float | None = None
    """Shape of the gamma distribution of the sites' rates, 1 over their squared coefficient of variation; None: the
    sites do not differ."""
    opens: tuple[float, float] = (0.0, 0.0)
    """Each site opens at a random calendar time between these two, uniformly: the ramp-up."""

    def __post_init__(self) -> None:
        """Coerce and check the fields."""
        fields(self, "enrolment.regions", name=label, sites=Whole(1), rate=Number(above=0))
        fields(self, "enrolment.regions", shape=Optional(Number(above=0)), opens=_interval)

    def rates(self, uniforms: np.ndarray) -> np.ndarray:
        """Return the rates of the sites from a uniform number each (site,)."""
        if self.shape is None:
            return np.full(uniforms.size, self.rate)
        found: np.ndarray = special.gammaincinv(self.shape, uniforms) * (self.rate / self.shape)
        return found

    def openings(self, uniforms: np.ndarray) -> np.ndarray:
        """Return when the sites open from a uniform number each (site,)."""
        first, last = self.opens
        return first + (last - first) * uniforms


@dataclass(frozen=True, slots=True)
class PoissonGamma(Enrolment):
    """Competitive enrolment by the sites of one or more regions, until the trial is full."""

    regions: tuple[Region, ...]
    """The regions; a mapping of the fields of `Region` is taken too."""

    def __post_init__(self) -> None:
        """Coerce and check the fields."""
        fields(self, "enrolment", regions=_regions)

    @property
    def site_names(self) -> tuple[str, ...]:
        """Sites are called by their region and a number from 1."""
        return tuple(f"{region.name} {number}" for region in self.regions for number in range(1, region.sites + 1))

    @property
    def region_names(self) -> tuple[str, ...]:
        """Names of the regions."""
        return tuple(region.name for region in self.regions)

    @property
    def region_of_site(self) -> tuple[int, ...]:
        """Region of each site."""
        return tuple(index for index, region in enumerate(self.regions) for _ in range(region.sites))

    def arrivals(self, generator: np.random.Generator, screened: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return calendar time and site (subject,): the superposition of the sites' processes.

        A candidate belongs to an open site with a probability proportional to the site's rate.
        """
        rates, opens = self._sites(generator)
        uniforms = generator.random((screened.size, 2))
        order = np.argsort(opens, kind="stable")
        total = np.cumsum(rates[order])
        times = crossing(opens[order], total, waiting(uniforms[:, 0], screened))
        open_ = np.searchsorted(opens[order], times, side="right")
        chosen = np.searchsorted(total, uniforms[:, 1] * total[open_ - 1], side="right")
        return times, order[np.minimum(chosen, open_ - 1)]

    def _sites(self, generator: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Rate and opening of each site (site,)."""
        drawn = [(region, generator.random((2, region.sites))) for region in self.regions]
        rates = np.concatenate([region.rates(u[0]) for region, u in drawn])
        opens = np.concatenate([region.openings(u[1]) for region, u in drawn])
        return np.maximum(rates, np.finfo(float).tiny), opens


def _regions(where: str, value: object) -> tuple[Region, ...]:
    if isinstance(value, str) or not isinstance(value, Iterable):
        raise refuse(where, value, "a list of regions")
    made = tuple(_region(f"{where}[{index}]", each) for index, each in enumerate(value))
    names = [region.name for region in made]
    if not made or len(set(names)) < len(names):
        raise refuse(where, names, "one or more regions of distinct names")
    return made


def _region(where: str, value: Any) -> Region:
    if isinstance(value, Region):
        return value
    if not isinstance(value, Mapping):
        raise refuse(where, value, "a mapping of name, sites, rate, shape and opens")
    known(where, value, [field.name for field in dataclass_fields(Region)])
    complete(where, value, dataclass_fields(Region))
    return Region(**value)


def _interval(where: str, value: object) -> tuple[float, float]:
    wanted = "two calendar times of at least 0, the first not above the second"
    if isinstance(value, str) or not isinstance(value, Iterable):
        raise refuse(where, value, wanted)
    ends = tuple(Number(least=0)(where, each) for each in value)
    if len(ends) != 2 or ends[0] > ends[1]:
        raise refuse(where, value, wanted)
    return ends[0], ends[1]
