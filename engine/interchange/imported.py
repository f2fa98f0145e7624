"""A NONMEM control stream, read: our model, and what the stream says of people, as data."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from engine.errors import ModelError
from engine.interchange.streams import Covariances, Theta
from engine.models.algebras.arrays import ARRAYS
from engine.models.expression import Expression, evaluate
from engine.models.specification import Model

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

type Form = Literal["additive", "proportional", "combined", "exponential", "log-additive", "other", "none"]


@dataclass(frozen=True, slots=True)
class Residual:
    """How a measurement differs from the prediction.

    ``equation`` of the observation Y in F (the prediction), ``EPS_1`` ..., ``THETA_1`` ... and data items, None when
    $ERROR assigns no Y; ``form`` is its kind where it is one of the usual ones.
    """

    equation: Expression | None
    form: Form


@dataclass(frozen=True, slots=True)
class Imported:
    """What a control stream holds.

    Parameters
    ----------
    model
        The equations; their parameters are the individual parameters (CL, V, KA, ...), with the typical value where
        it depends on no covariate that was not given.
    thetas, omega, sigma
        Fixed effects, and covariances of ``ETA_1`` ... and of ``EPS_1`` ...
    individual
        Equation of each parameter of the model in ``THETA_1`` ..., ``ETA_1`` ... and covariates.
    residual
        The residual error.
    covariates
        Data items the individual parameters depend on.
    estimates
        Whether the numbers are the stream's initial estimates, or final ones from a table of results.
    left_out
        Quantities of $ERROR that are no outputs of the model, and why.
    doses_into
        State that a dose goes into where its record has no CMT; an event table's own default is the first state.
    """

    model: Model
    thetas: tuple[Theta, ...]
    omega: Covariances
    sigma: Covariances
    individual: Mapping[str, Expression]
    residual: Residual
    covariates: tuple[str, ...] = ()
    estimates: Literal["initial", "final"] = "initial"
    left_out: Mapping[str, str] = field(default_factory=dict)
    doses_into: str = ""

    def parameters(
        self, etas: "Mapping[str, ArrayLike] | None" = None, covariates: "Mapping[str, ArrayLike] | None" = None
    ) -> dict[str, Any]:
        """Compute the model's parameters of individuals.

        Parameters
        ----------
        etas
            ``ETA_1`` ... of each individual, numbers or arrays (subject); 0 where absent.
        covariates
            Data items by name, numbers or arrays (subject).

        Raises
        ------
        ModelError
            Naming covariates that are missing, and random effects that are not there.
        """
        if unknown := [name for name in etas or {} if name not in self.omega.names]:
            raise ModelError(f"there is no {', '.join(unknown)}; random effects are {', '.join(self.omega.names)}")
        if missing := [name for name in self.covariates if name not in (covariates or {})]:
            raise ModelError(f"covariates: {', '.join(missing)} missing")
        known: dict[str, Any] = {theta.name: np.float64(theta.value) for theta in self.thetas}
        known |= dict.fromkeys(self.omega.names, np.float64(0.0))
        given = {**(etas or {}), **(covariates or {})}
        known |= {name: np.asarray(value, dtype=np.float64) for name, value in given.items()}
        return {name: evaluate(equation, known, ARRAYS) for name, equation in self.individual.items()}

    def describe(self) -> list[str]:
        """Say in lines what the statistical part is: effects, covariances, residual error, what was left out."""
        lines = [f"Estimates: {self.estimates}."]
        for theta in self.thetas:
            label = f" ({theta.label})" if theta.label else ""
            lines.append(f"{theta.name} = {theta.value:g}{' fixed' if theta.fixed else ''}{label}")
        for part in (self.omega, self.sigma):
            for row, name in enumerate(part.names):
                beside = [f"{part.matrix[row][column]:g} with {part.names[column]}" for column in range(row)
                          if part.matrix[row][column]]  # fmt: skip
                lines.append(f"{name}: variance {part.matrix[row][row]:g}" + "".join(f", {text}" for text in beside))
        if self.residual.equation is not None:
            lines.append(f"Residual error: {self.residual.form}; Y = {self.residual.equation}")
        if self.covariates:
            lines.append(f"Covariates: {', '.join(self.covariates)}")
        if self.doses_into != self.model.state_names[0]:
            lines.append(f"Doses without CMT go into {self.doses_into}: name it in CMT, for the first state is another")
        return lines + [f"{name} is no output: {reason}" for name, reason in self.left_out.items()]
