"""From evidence to virtual patients: populations, their calibration to data, and cohorts drawn from them.

PyMC is imported only when a model is built or a population calibrated.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from cohorts.errors import CalibrationError, PopulationError

if TYPE_CHECKING:
    from cohorts.calibration.approximation import approximate as approximate
    from cohorts.calibration.data import IndividualData as IndividualData
    from cohorts.calibration.diagnosis import Gates as Gates
    from cohorts.calibration.diagnosis import diagnose as diagnose
    from cohorts.calibration.estimates import Estimates as Estimates
    from cohorts.calibration.estimates import read_estimates as read_estimates
    from cohorts.calibration.estimates import read_phi as read_phi
    from cohorts.calibration.estimates import with_estimates as with_estimates
    from cohorts.calibration.integration import marginal_likelihood as marginal_likelihood
    from cohorts.calibration.rows import requests as requests
    from cohorts.calibration.sampling import calibrate as calibrate
    from cohorts.calibration.summaries import ConflictWarning as ConflictWarning
    from cohorts.calibration.summaries import calibrate_to_summaries as calibrate_to_summaries
    from cohorts.calibration.summaries import summary_requests as summary_requests
    from cohorts.calibration.targets import SummaryTarget as SummaryTarget
    from cohorts.calibration.targets import load_targets as load_targets
    from cohorts.covariates.fitting import fit_covariates as fit_covariates
    from cohorts.covariates.tables import load_table as load_table
    from cohorts.covariates.tables import tables as tables
    from cohorts.drawing.cohort import draw as draw
    from cohorts.fhir.codes import load_codes as load_codes
    from cohorts.fhir.reading import read_fhir as read_fhir
    from cohorts.fhir.writing import write_fhir as write_fhir
    from cohorts.figures.checks import plot_ppc as plot_ppc
    from cohorts.figures.checks import plot_vpc as plot_vpc
    from cohorts.figures.events import plot_kaplan_meier as plot_kaplan_meier
    from cohorts.figures.forecasts import plot_forecast as plot_forecast
    from cohorts.figures.models import plot_compare as plot_compare
    from cohorts.figures.models import plot_loo as plot_loo
    from cohorts.figures.models import plot_prior_sensitivity as plot_prior_sensitivity
    from cohorts.figures.residuals import plot_etas as plot_etas
    from cohorts.figures.residuals import plot_gof as plot_gof
    from cohorts.figures.residuals import plot_npde as plot_npde
    from cohorts.figures.residuals import plot_shrinkage as plot_shrinkage
    from cohorts.figures.simulations import plot_recovery as plot_recovery
    from cohorts.figures.simulations import plot_sbc as plot_sbc
    from cohorts.files.cohort import read_cohort as read_cohort
    from cohorts.files.cohort import write_cohort as write_cohort
    from cohorts.files.posterior import read_posterior as read_posterior
    from cohorts.files.posterior import write_draws as write_draws
    from cohorts.files.posterior import write_posterior as write_posterior
    from cohorts.judgement.decorrelation import npde as npde
    from cohorts.judgement.discrepancy import ppc as ppc
    from cohorts.judgement.events import event_check as event_check
    from cohorts.judgement.events import event_requests as event_requests
    from cohorts.judgement.events import kaplan_meier_check as kaplan_meier_check
    from cohorts.judgement.goodness import gof as gof
    from cohorts.judgement.goodness import shrinkage as shrinkage
    from cohorts.judgement.information import compare as compare
    from cohorts.judgement.information import loo as loo
    from cohorts.judgement.information import waic as waic
    from cohorts.judgement.integration import integrate_subjects as integrate_subjects
    from cohorts.judgement.known_truth import parameter_recovery as parameter_recovery
    from cohorts.judgement.power_scaling import prior_sensitivity as prior_sensitivity
    from cohorts.judgement.predictive import predictive_check as predictive_check
    from cohorts.judgement.self_consistency import simulation_based_calibration as simulation_based_calibration
    from cohorts.judgement.visual import vpc as vpc
    from cohorts.matching.weighting import Matched as Matched
    from cohorts.matching.weighting import match_baseline as match_baseline
    from cohorts.quality.disclosure import disclosure as disclosure
    from cohorts.quality.fidelity import fidelity as fidelity
    from cohorts.quality.gate import Limits as Limits
    from cohorts.quality.gate import Quality as Quality
    from cohorts.quality.gate import assess as assess
    from cohorts.quality.records import hold_out as hold_out
    from cohorts.specification.population import Population as Population
    from cohorts.specification.reading import load_population as load_population
    from cohorts.specification.reading import populations as populations
    from cohorts.specification.residuals import Residual as Residual
    from cohorts.twins.learning import twin as twin
    from cohorts.twins.learning import twin_cohort as twin_cohort
    from cohorts.twins.patient import Twin as Twin
    from cohorts.twins.patient import TwinCohort as TwinCohort
    from cohorts.twins.recommending import Recommendation as Recommendation
    from cohorts.twins.records import PatientRecord as PatientRecord
    from cohorts.twins.targets import DosePlan as DosePlan
    from cohorts.twins.targets import DoseTarget as DoseTarget

_HOME = {
    "DosePlan": "twins.targets",
    "DoseTarget": "twins.targets",
    "Gates": "calibration.diagnosis",
    "IndividualData": "calibration.data",
    "Limits": "quality.gate",
    "Matched": "matching.weighting",
    "PatientRecord": "twins.records",
    "Population": "specification.population",
    "Quality": "quality.gate",
    "Recommendation": "twins.recommending",
    "Residual": "specification.residuals",
    "Twin": "twins.patient",
    "TwinCohort": "twins.patient",
    "assess": "quality.gate",
    "approximate": "calibration.approximation",
    "calibrate": "calibration.sampling",
    "ConflictWarning": "calibration.summaries",
    "SummaryTarget": "calibration.targets",
    "calibrate_to_summaries": "calibration.summaries",
    "load_targets": "calibration.targets",
    "summary_requests": "calibration.summaries",
    "compare": "judgement.information",
    "diagnose": "calibration.diagnosis",
    "disclosure": "quality.disclosure",
    "draw": "drawing.cohort",
    "event_check": "judgement.events",
    "event_requests": "judgement.events",
    "fidelity": "quality.fidelity",
    "fit_covariates": "covariates.fitting",
    "gof": "judgement.goodness",
    "hold_out": "quality.records",
    "integrate_subjects": "judgement.integration",
    "kaplan_meier_check": "judgement.events",
    "load_codes": "fhir.codes",
    "load_population": "specification.reading",
    "load_table": "covariates.tables",
    "loo": "judgement.information",
    "marginal_likelihood": "calibration.integration",
    "Estimates": "calibration.estimates",
    "read_estimates": "calibration.estimates",
    "read_phi": "calibration.estimates",
    "with_estimates": "calibration.estimates",
    "match_baseline": "matching.weighting",
    "npde": "judgement.decorrelation",
    "parameter_recovery": "judgement.known_truth",
    "plot_compare": "figures.models",
    "plot_etas": "figures.residuals",
    "plot_forecast": "figures.forecasts",
    "plot_gof": "figures.residuals",
    "plot_kaplan_meier": "figures.events",
    "plot_loo": "figures.models",
    "plot_npde": "figures.residuals",
    "plot_ppc": "figures.checks",
    "plot_prior_sensitivity": "figures.models",
    "plot_recovery": "figures.simulations",
    "plot_sbc": "figures.simulations",
    "plot_shrinkage": "figures.residuals",
    "plot_vpc": "figures.checks",
    "populations": "specification.reading",
    "ppc": "judgement.discrepancy",
    "predictive_check": "judgement.predictive",
    "prior_sensitivity": "judgement.power_scaling",
    "read_cohort": "files.cohort",
    "read_fhir": "fhir.reading",
    "read_posterior": "files.posterior",
    "requests": "calibration.rows",
    "shrinkage": "judgement.goodness",
    "simulation_based_calibration": "judgement.self_consistency",
    "tables": "covariates.tables",
    "twin": "twins.learning",
    "twin_cohort": "twins.learning",
    "vpc": "judgement.visual",
    "waic": "judgement.information",
    "write_cohort": "files.cohort",
    "write_draws": "files.posterior",
    "write_fhir": "fhir.writing",
    "write_posterior": "files.posterior",
}

__all__ = [
    "CalibrationError",
    "ConflictWarning",
    "DosePlan",
    "DoseTarget",
    "Estimates",
    "Gates",
    "IndividualData",
    "Limits",
    "Matched",
    "PatientRecord",
    "Population",
    "PopulationError",
    "Quality",
    "Recommendation",
    "Residual",
    "SummaryTarget",
    "Twin",
    "TwinCohort",
    "approximate",
    "assess",
    "calibrate",
    "calibrate_to_summaries",
    "compare",
    "diagnose",
    "disclosure",
    "draw",
    "event_check",
    "event_requests",
    "fidelity",
    "fit_covariates",
    "gof",
    "hold_out",
    "integrate_subjects",
    "kaplan_meier_check",
    "load_codes",
    "load_population",
    "load_table",
    "load_targets",
    "loo",
    "marginal_likelihood",
    "match_baseline",
    "npde",
    "parameter_recovery",
    "plot_compare",
    "plot_etas",
    "plot_forecast",
    "plot_gof",
    "plot_kaplan_meier",
    "plot_loo",
    "plot_npde",
    "plot_ppc",
    "plot_prior_sensitivity",
    "plot_recovery",
    "plot_sbc",
    "plot_shrinkage",
    "plot_vpc",
    "populations",
    "ppc",
    "predictive_check",
    "prior_sensitivity",
    "read_cohort",
    "read_estimates",
    "read_fhir",
    "read_phi",
    "read_posterior",
    "requests",
    "shrinkage",
    "simulation_based_calibration",
    "summary_requests",
    "tables",
    "twin",
    "twin_cohort",
    "vpc",
    "waic",
    "with_estimates",
    "write_cohort",
    "write_draws",
    "write_fhir",
    "write_posterior",
]


def __getattr__(name: str) -> Any:  # whatever the package exports
    if name not in _HOME:
        raise AttributeError(f"module 'cohorts' has no attribute {name!r}")
    return getattr(import_module(f"cohorts.{_HOME[name]}"), name)
