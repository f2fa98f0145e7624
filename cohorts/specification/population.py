"""A population: what is believed of the patients a trial would enrol. A specification; it holds no random variable."""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from cohorts.covariates.base import CovariateModel, Variable, variables
from cohorts.covariates.eligibility import Criterion
from cohorts.covariates.given import Covariate
from cohorts.errors import PopulationError
from cohorts.specification.effects import Effect, LevelEffect
from cohorts.specification.outcomes import Outcome
from cohorts.specification.parameters import Correlation, Mixture, Parameter
from cohorts.specification.quantities import Quantity
from cohorts.specification.residuals import ERRORS, Residual

if TYPE_CHECKING:
    import pandas as pd
    import pymc as pm

    from cohorts.calibration.data import IndividualData


@dataclass(frozen=True, slots=True)
class Coefficient:
    """A population-level value: one number, or one a level of a categorical covariate.

    Attributes
    ----------
    name
        ``<p>_pop``; ``beta_<p>_<covariate>`` (``tm50_``, ``hill_``); SDs between patients ``omega_<p>``, between
        occasions ``gamma_<p>``, between sites ``tau_site_<p>``, between studies ``tau_study_<p>``; ``shape_<p>``;
        ``rho_<p>_<q>``; ``sigma_<kind>_<output>``, ``nu_<output>``, ``dispersion_<output>``;
        ``share_<mixture>_<class>``.
    quantities
        Its value or prior, one a level.
    levels
        Names of the levels; empty for a single number.
    unit, meaning
        For people.
    fitted
        Whether calibration to data of one occasion can inform it (``gamma_`` never can; data of several do).
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


@dataclass(frozen=True, slots=True, repr=False)
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
        One an output of the model that is measured on a scale.
    outcomes
        One for each outcome that is not: yes or no, counts, events.
    mixtures
        Classes of patients that nobody observed.
    eligibility
        Criteria that everybody who enrols meets.
    """

    name: str
    reference: str
    covariates: tuple[Covariate | CovariateModel, ...]
    parameters: tuple[Parameter, ...]
    correlations: tuple[Correlation, ...]
    residuals: tuple[Residual, ...]
    outcomes: tuple[Outcome, ...] = ()
    mixtures: tuple[Mixture, ...] = ()
    eligibility: tuple[Criterion, ...] = ()

    def __repr__(self) -> str:
        """What it is called and what it has; `table` says the rest."""
        free = f"{sum(c.free for c in self.coefficients)} of {len(self.coefficients)} values uncertain"
        parts = {"covariates": self.covariate_names, "measures": tuple(e.output for e in self.endpoints)}
        rest = [f"{what} {', '.join(names)}" for what, names in parts.items() if names]
        return f"<Population {self.name}: {'; '.join([', '.join(self.parameter_names), *rest, free])}>"

    def table(self) -> "pd.DataFrame":
        """Every population-level value, one row each: median, the prior it has, unit, meaning and source."""
        import pandas as pd

        rows = [
            (f"{c.name}[{level}]" if c.levels else c.name, q.centre, q.family, *_range(q), c.unit, c.meaning, q.source)
            for c in self.coefficients
            for level, q in zip(c.levels or ("",), c.quantities, strict=True)
        ]
        names = ["value", "median", "prior", "lower", "upper", "units", "meaning", "source"]
        return pd.DataFrame(rows, columns=names).set_index("value")

    @property
    def parameter_names(self) -> tuple[str, ...]:
        """Names of the parameters a cohort will carry."""
        return tuple(p.name for p in self.parameters)

    @property
    def covariate_names(self) -> tuple[str, ...]:
        """Names of the covariates a cohort will carry."""
        return tuple(v.name for v in self.variables)

    @property
    def variables(self) -> tuple[Variable, ...]:
        """Every covariate a cohort will carry, in the order in which they are drawn."""
        return tuple(v for entry in self.covariates for v in variables(entry))

    @property
    def coefficients(self) -> tuple[Coefficient, ...]:
        """Every population-level value, in a fixed order."""
        inner = [c for p in self.parameters for c in _of_parameter(p)]
        rhos = [
            Coefficient(f"rho_{a}_{b}", (q,), "1", f"correlation of {a} and {b} between patients")
            for block in self.correlations
            for (a, b), q in zip(block.pairs, block.partial, strict=True)
        ]
        errors = [c for r in self.residuals for c in _of_residual(r)]
        own = [Coefficient(n, (q,), "1", f"{f} of {o.output}") for o in self.outcomes for q, (f, n) in _own(o)]
        shares = [
            Coefficient(n, (q,), "1", f"share of a class of {m.name} among those in none before it")
            for m in self.mixtures
            for n, q in zip(m.names, m.sticks, strict=True)
        ]
        return (*inner, *rhos, *errors, *own, *shares)

    @property
    def endpoints(self) -> tuple[Residual | Outcome, ...]:
        """Whatever data may hold: outputs measured on a scale, then other outcomes."""
        return (*self.residuals, *self.outcomes)

    @property
    def digest(self) -> str:
        """SHA-256 of the JSON of `to_dict`; the order of covariates and parameters, in which they are drawn, counts."""
        text = json.dumps(self.to_dict(), separators=(",", ":"), ensure_ascii=True)
        return hashlib.sha256(text.encode()).hexdigest()

    @property
    def fitted_digest(self) -> str:
        """Digest of the part a calibration depends on: not who enrols, not what differs between occasions."""
        return self.digest_of_fit()

    def digest_of_fit(self, *, occasions: bool = False) -> str:
        """Digest of the part a calibration depends on; `occasions` says whether it told occasions apart."""
        parameters = self.parameters if occasions else tuple(replace(p, between_occasion=None) for p in self.parameters)
        return replace(self, name="", covariates=(), eligibility=(), parameters=parameters).digest

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
        return _of_output(self.name, "residual", self.residuals, output)

    def endpoint(self, output: str = "") -> Residual | Outcome:
        """Residual error or outcome by its output; the only one when none is named.

        Raises
        ------
        PopulationError
            If there is none of that name, or there are several and none is named.
        """
        return _of_output(self.name, "endpoint", self.endpoints, output)

    def build(
        self,
        cohort: "int | IndividualData | None",
        *,
        predict: "Callable[[Mapping[str, Any]], Any] | None" = None,
        output: str = "",
        occasions: int | None = None,
        studies: Sequence[str] = (),
    ) -> "pm.Model":
        """PyMC model of a cohort; nothing else in the project makes one.

        Parameters
        ----------
        cohort
            A number of new patients, whose covariates are random variables too (nobody is screened for eligibility,
            which `cohorts.draw` does); or data, whose covariates are given;
            or None for nobody: the population-level values alone, as published summaries are fitted with.
        predict
            With data: individual parameters, PyTensor variables by name, (subject) or, where occasions are told apart
            and the parameter differs between them, (subject, occasion), to the model's value at every row of
            `cohorts.requests`, (row). The likelihood is made of it; without it there is none.
        output
            Which output the data measure, where they do not say; may be left out when the population has only one.
        occasions
            Number of occasions to tell apart; by default those that the data have. Without them a patient has one value
            of each parameter, and ``between_occasion`` is left out, as one must with data of one occasion.
        studies
            For nobody: names of the studies that have a deviation each.

        Returns
        -------
        pm.Model
            Variables: each free coefficient under its name (see `Coefficient`); standard normal ``z_<p>`` (subject);
            with occasions ``k_<p>`` (subject, occasion), with sites ``s_<p>`` (site), with studies ``t_<p>`` (study);
            and, as deterministic variables, the individual values ``<p>`` with dims ``subject``, or
            ``(subject, occasion)`` where the parameter differs between occasions. The log likelihood of each
            observation is a potential named after its output. With mixtures it is summed over the classes instead:
            a potential ``likelihood`` (subject), and the classes' probabilities ``p_<mixture>`` (subject, class). A
            parameter whose typical value depends on the class and that is centred, with all centred ones of its block,
            is a variable ``phi_<p>`` whose density is in that sum, and ``z_<p>|<mixture>`` (subject, class) its
            deviation in each class.
        """
        from cohorts.calibration.building import build

        return build(self, cohort, occasions=occasions, predict=predict, output=output, studies=studies)


def _range(q: Quantity) -> tuple[float, float]:
    """Limits between which 90 % of a prior lies."""
    low, high = q.quantile(np.array([0.05, 0.95])).tolist() if q.free else (q.values[0], q.values[0])
    return low, high


def _of_output[E: Residual | Outcome](name: str, what: str, rows: tuple[E, ...], output: str) -> E:
    if not output and len(rows) == 1:
        return rows[0]
    for row in rows:
        if row.output == output:
            return row
    raise PopulationError(f"{what} of {name}: got output {output!r}, wanted one of {[r.output for r in rows]}")


_SPREADS = {"omega": "patients", "gamma": "occasions", "tau_site": "sites", "tau_study": "studies"}


def _of_parameter(p: Parameter) -> list[Coefficient]:
    found = [Coefficient(f"{p.name}_pop", (p.typical,), p.unit, f"typical {p.meaning}")]
    found += [c for e in p.effects for c in _of_effect(p, e)]
    unit = p.unit if p.scale == "normal" else "1"
    for name, q in p.spreads.items():
        kind = name.removesuffix(f"_{p.name}")
        found.append(Coefficient(name, (q,), unit, f"SD of {p.name} between {_SPREADS[kind]}", fitted=kind != "gamma"))
    if p.shape:
        found.append(Coefficient(f"shape_{p.name}", (p.shape,), "1", f"Box-Cox shape of {p.name} between patients"))
    return found


def _of_effect(p: Parameter, e: Effect | LevelEffect) -> list[Coefficient]:
    meaning = f"{e.kind} effect of {e.covariate} on {p.name}"
    if isinstance(e, LevelEffect):
        return [Coefficient(e.names(p.name)[0], e.coefficients, "1", meaning, e.levels)]
    return [Coefficient(n, (q,), "1", meaning) for n, q in zip(e.names(p.name), e.coefficients, strict=True)]


def _of_residual(r: Residual) -> list[Coefficient]:
    units = {"additive": "unit of the output"}
    made = [
        Coefficient(r.names[kind], (q,), units.get(kind, "1"), f"{kind} residual SD of {r.output}")
        for kind, q in zip(ERRORS[r.kind].sigmas, r.sigmas, strict=True)
    ]
    if r.student:
        made.append(Coefficient(r.names["student"], (r.student,), "1", f"degrees of freedom of {r.output}"))
    return made


def _own(o: Outcome) -> list[tuple[Quantity, tuple[str, str]]]:
    return list(zip(o.own, o.names.items(), strict=True))
