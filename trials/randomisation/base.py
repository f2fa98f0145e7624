"""What a randomisation promises: a group for every subject, given who the subjects are."""

from abc import ABC, abstractmethod

import numpy as np
import xarray as xr

from trials.randomisation.lists import Rng


class Randomisation(ABC):
    """How subjects are allocated to the sequences of a design (arms, in a parallel one).

    Members are frozen dataclasses. Subjects are allocated in the order of their index: a subject's group depends on
    those before and not on how many follow.
    """

    __slots__ = ()

    @property
    @abstractmethod
    def variables(self) -> tuple[str, ...]:
        """Variables of the subjects that it looks at: covariates, ``site``, ``region``."""

    @abstractmethod
    def strata(self, subjects: xr.Dataset) -> tuple[np.ndarray, tuple[str, ...]]:
        """Return the stratum of each subject, int (replicate, subject), and the names of all strata.

        Parameters
        ----------
        subjects
            Dataset (replicate, subject) of covariates, and of ``site`` and ``region`` where there are such.

        Raises
        ------
        TrialError
            When a factor is not among the variables.
        """

    @abstractmethod
    def __call__(
        self, rng: Rng, replicates: range, subjects: xr.Dataset, *, ratio: tuple[int, ...], block: int
    ) -> np.ndarray:
        """Return the group of each subject: int (replicate, subject), values ``0 .. len(ratio) - 1``.

        Parameters
        ----------
        rng
            Gives the generator of a replicate, fresh.
        replicates
            Numbers of the replicates.
        subjects
            As in `strata`.
        ratio
            Allocation of the groups, in lowest terms.
        block
            Subjects in a block of the design, a multiple of the sum of ``ratio``.
        """
