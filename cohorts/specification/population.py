"""A population: what is believed of the patients a trial would enrol. A specification; it holds no random variable."""

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from cohorts.covariates.given import Covariate
from cohorts.errors import PopulationError
from cohorts.specification.parameters import Correlation, Effect, Parameter
from cohorts.specification.quantities import Quantity
from cohorts.specification.residuals import Residual

if TYPE_CHECKING:
    import pymc as pm

    from cohorts.calibration.data import IndividualData


@dataclass(frozen=True, slots=True)
class Coefficient:
    """A population-level value: one number, or one a level of a categorical covariate.

    Attributes
    ----------
    name
        ``<p>_pop``, ``omega_<p>``, ``gamma_<p>``, ``beta_<p>_<covariate>``, ``rho_<p>_<q>``, ``sigma_<kind>_<output>``.
    quantities
        Its value or prior, one a level.
    levels
        Names of the levels; empty for a single number.
    unit, meaning
        For people.
    fitted
        Whether calibration to data of one occasion can inform it (``gamma_`` never can).
    """

    name: str
    quantities: tuple[Quantity, ...]
    unit: str
    meaning: str
    levels: tuple[str, ...] = ()
    fitted: bool = True

    @property
    def free(self) -> bool:
        """Whether any of it is uncertain."""
        return any(q.free for q in self.quantities)

    @property
    def dims(self) -> tuple[str, ...]:
        """Dimension of the levels: none for a single number."""
        return (f"{self.name}_level",) if self.levels else ()


@dataclass(frozen=True, slots=True)
class Population:
    """Covariates, parameters and residual errors of the patients a trial would enrol.

    Attributes
    ----------
    name, reference
        What it is called and the publication or data it rests on.
    covariates
        In the order in which they are drawn.
    parameters
        As the model names them.
    correlations
        Blocks of parameters whose deviations between patients go together.
    residuals
        One an output of the model.
    """

    name: str
    reference: str
    covariates: tuple[Covariate, ...]
    parameters: tuple[Parameter, ...]
    correlations: tuple[Correlation, ...]
    residuals: tuple[Residual, ...]

    @property
    def parameter_names(self) -> tuple[str, ...]:
        """Names of the parameters a cohort will carry."""
        return tuple(p.name for p in self.parameters)

    @property
    def covariate_names(self) -> tuple[str, ...]:
        """Names of the covariates a cohort will carry."""
        return tuple(c.name for c in self.covariates)

    @property
    def coefficients(self) -> tuple[Coefficient, ...]:
        """Every population-level value, in a fixed order."""
        inner = [c for p in self.parameters for c in _of_parameter(p)]
        rhos = [
            Coefficient(f"rho_{a}_{b}", (q,), "1", f"correlation of {a} and {b} between patients")
            for block in self.correlations
            for (a, b), q in zip(block.pairs, block.partial, strict=True)
        ]
        return (*inner, *rhos, *(c for r in self.residuals for c in _of_residual(r)))

    @property
    def digest(self) -> str:
        """SHA-256 of the JSON of `to_dict`; the order of covariates and parameters, in which they are drawn, counts."""
        text = json.dumps(self.to_dict(), separators=(",", ":"), ensure_ascii=True)
        return hashlib.sha256(text.encode()).hexdigest()

    @property
    def fitted_digest(self) -> str:
        """Digest of the part a calibration depends on: not who enrols, not what differs between occasions."""
        parameters = tuple(replace(p, between_occasion=None) for p in self.parameters)
        return replace(self, name="", covariates=(), parameters=parameters).digest

    def to_dict(self) -> dict[str, Any]:
        """Plain mapping that `load_population` reads back to an equal population."""
        from cohorts.specification.writing import mapping

        return mapping(self)

    def centred(self) -> "Population":
        """The same population with every uncertain number at its median: no uncertainty between trials."""
        from cohorts.specification.writing import centred

        return centred(self)

    def residual(self, output: str = "") -> Residual:
        """Residual error of an output; of the only one when none is named.

        Raises
        ------
        PopulationError
            If the output has no residual error, or several have and none is named.
        """
        known = [r.output for r in self.residuals]
        if not output and len(known) == 1:
            return self.residuals[0]
        for r in self.residuals:
            if r.output == output:
                return r
        raise PopulationError(f"residual of {self.name}: got output {output!r}, wanted one of {known}")

    def build(
        self,
        cohort: "int | IndividualData",
        *,
        predict: "Callable[[Mapping[str, Any]], Any] | None" = None,
        output: str = "",
        occasions: int | None = None,
    ) -> "pm.Model":
        """PyMC model of a cohort; nothing else in the project makes one.

        Parameters
        ----------
        cohort
            A number of new patients, whose covariates are random variables too; or data, whose covariates are given.
        predict
            With data: individual parameters, PyTensor variables (subject) by name, to the model's value at every
            observation, (observation). The likelihood is made of it; without it there is none.
        output
            Which output the data measure; may be left out when only one has a residual error.
        occasions
            Number of occasions to tell apart. None leaves occasions unresolved: a patient has one value of each
            parameter, and ``between_occasion`` is left out, as one must with data of one occasion.

        Returns
        -------
        pm.Model
            Variables: each free coefficient under its name (see `Coefficient`); standard normal ``z_<p>`` (subject);
            with occasions ``k_<p>`` (subject, occasion); and, as deterministic variables, the individual values ``<p>``
            with dims ``subject``, or ``(subject, occasion)`` where the parameter differs between occasions.
        """
        from cohorts.calibration.building import build

        return build(self, cohort, occasions=occasions, predict=predict, output=output)


def _of_parameter(p: Parameter) -> list[Coefficient]:
    found = [Coefficient(f"{p.name}_pop", (p.typical,), p.unit, f"typical {p.meaning}")]
    for e in p.effects:
        quantities = (e.coefficient,) if isinstance(e, Effect) else e.coefficients
        levels = () if isinstance(e, Effect) else e.levels
        meaning = f"{e.kind} effect of {e.covariate} on {p.name}"
        found.append(Coefficient(f"beta_{p.name}_{e.covariate}", quantities, "1", meaning, levels))
    unit = p.unit if p.scale == "normal" else "1"
    if p.between_subject:
        found.append(Coefficient(f"omega_{p.name}", (p.between_subject,), unit, f"SD of {p.name} between patients"))
    if p.between_occasion:
        meaning = f"SD of {p.name} between occasions"
        found.append(Coefficient(f"gamma_{p.name}", (p.between_occasion,), unit, meaning, fitted=False))
    return found


def _of_residual(r: Residual) -> list[Coefficient]:
    return [
        Coefficient(
            name, (q,), "unit of the output" if kind == "additive" else "1", f"{kind} residual SD of {r.output}"
        )
        for (kind, name), q in zip(r.names.items(), r.sigmas, strict=True)
    ]
