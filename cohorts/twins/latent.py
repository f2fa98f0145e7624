"""The unknowns of one patient, standard normal beforehand: deviations of the patient, of occasions, of the place."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cohorts.errors import PopulationError
from cohorts.specification.individuals import individual
from cohorts.specification.population import Population
from cohorts.specification.quantities import Array

PLACES = {"s": "tau_site_", "t": "tau_study_"}


@dataclass(frozen=True, slots=True)
class Latent:
    """The space a patient's posterior lives in.

    Attributes
    ----------
    population
        What is believed of patients in general.
    occasions
        Occasions the patient was seen on.
    spells
        Stretches of time in each of which covariates are constant; an occasion has as many periods.
    """

    population: Population
    occasions: int = 1
    spells: int = 1

    def __post_init__(self) -> None:
        """Refuse what one patient's data cannot be asked."""
        if not self.names:
            raise PopulationError(f"{self.population.name}: its patients do not differ; wanted between_subject")

    @property
    def names(self) -> tuple[str, ...]:
        """Names: ``z_<p>`` of the patient, ``k_<p>[o]`` of an occasion, ``s_<p>`` of the site, ``t_<p>`` of a study."""
        ps = self.population.parameters
        z = [f"z_{p.name}" for p in ps if p.between_subject]
        k = [f"k_{p.name}[{o}]" for o in range(self.occasions) for p in ps if p.between_occasion]
        places = [f"{letter}_{p.name}" for letter, tau in PLACES.items() for p in ps if tau + p.name in p.spreads]
        return (*z, *k, *places)

    @property
    def size(self) -> int:
        """Number of dimensions."""
        return len(self.names)

    @property
    def of_occasions(self) -> NDArray[np.intp]:
        """Dimensions of the occasions, (occasion, parameter)."""
        places = [i for i, n in enumerate(self.names) if n.startswith("k_")]
        return np.array(places, dtype=np.intp).reshape(self.occasions, -1)

    def parameters(
        self, values: Mapping[str, Array], covariates: Mapping[str, NDArray[Any]], x: Array
    ) -> dict[str, Array]:
        """Individual parameters by name, (lane), or (lane, period) where they change.

        Period ``o * spells + s`` is spell s of occasion o; with one spell periods are occasions.

        Parameters
        ----------
        values
            Population-level values, (lane) or (lane, level).
        covariates
            Numbers or codes, (lane), or (lane, spell) where they change.
        x
            The unknowns, (lane, dimension).
        """
        column = {n: x[:, i, None] for i, n in enumerate(self.names)}
        ps = self.population.parameters
        k = {
            p.name: np.repeat(
                np.concatenate([column[f"k_{p.name}[{o}]"] for o in range(self.occasions)], axis=1), self.spells, axis=1
            )
            for p in ps
            if p.between_occasion
        }
        sites, studies = (
            {p.name: column[f"{letter}_{p.name}"] for p in ps if f"{letter}_{p.name}" in column} for letter in PLACES
        )
        made = individual(
            self.population,
            {n: v[:, None] if v.ndim == 1 else [v[:, i, None] for i in range(v.shape[1])] for n, v in values.items()},
            {n: np.tile(v, self.occasions) if v.ndim == 2 else v[:, None] for n, v in covariates.items()},
            {p.name: column[f"z_{p.name}"] for p in ps if p.between_subject},
            k,
            xp=np,
            sites=sites,
            studies=studies,
        )
        return {n: _flat(np.asarray(v, dtype=np.float64), len(x)) for n, v in made.items()}


def _flat(values: Array, lanes: int) -> Array:
    whole = np.broadcast_to(values, (lanes, values.shape[-1])) if values.ndim else np.full((lanes, 1), values)
    return whole[:, 0] if whole.shape[1] == 1 else whole


def log_prior(x: Array) -> Array:
    """Log density of the unknowns beforehand, over the last axis."""
    return np.asarray(-0.5 * np.sum(x**2, axis=-1) - 0.5 * x.shape[-1] * np.log(2.0 * np.pi))
