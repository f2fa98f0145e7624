"""Boundaries: the mathematics of group-sequential and adaptive designs, and of sample sizes.

A boundary is an object, called with information rates::

    bounds = trials.boundaries.AlphaSpending(alpha=0.025)([0.5, 0.75, 1])
    trials.boundaries.sample_size_means(bounds, difference=0.4, sd=1, power=0.9)

Names are imported on first use.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from trials.boundaries.accruing import SurvivalPlan as SurvivalPlan
    from trials.boundaries.accruing import dropout_hazard as dropout_hazard
    from trials.boundaries.accruing import expected_events as expected_events
    from trials.boundaries.accruing import expected_subjects as expected_subjects
    from trials.boundaries.accruing import time_of_events as time_of_events
    from trials.boundaries.alpha_spending import AlphaSpending as AlphaSpending
    from trials.boundaries.base import Boundary as Boundary
    from trials.boundaries.base import Bounds as Bounds
    from trials.boundaries.estimating import final_analysis as final_analysis
    from trials.boundaries.estimating import repeated_interval as repeated_interval
    from trials.boundaries.futility import BetaSpending as BetaSpending
    from trials.boundaries.futility import FutilityBounds as FutilityBounds
    from trials.boundaries.haybittle_peto import HaybittlePeto as HaybittlePeto
    from trials.boundaries.means import power_means as power_means
    from trials.boundaries.means import sample_size_means as sample_size_means
    from trials.boundaries.observing import critical_values as critical_values
    from trials.boundaries.performance import expected_information as expected_information
    from trials.boundaries.performance import fixed as fixed
    from trials.boundaries.performance import given_bounds as given_bounds
    from trials.boundaries.performance import inflation_factor as inflation_factor
    from trials.boundaries.performance import required_drift as required_drift
    from trials.boundaries.performance import stop_probabilities as stop_probabilities
    from trials.boundaries.rates import power_rates as power_rates
    from trials.boundaries.rates import sample_size_rates as sample_size_rates
    from trials.boundaries.reestimation import BlindedReestimation as BlindedReestimation
    from trials.boundaries.reestimation import UnblindedReestimation as UnblindedReestimation
    from trials.boundaries.reestimation import conditional_critical_value as conditional_critical_value
    from trials.boundaries.reestimation import inverse_normal as inverse_normal
    from trials.boundaries.remaining import conditional_power as conditional_power
    from trials.boundaries.remaining import predictive_power as predictive_power
    from trials.boundaries.remaining import predictive_power_of_points as predictive_power_of_points
    from trials.boundaries.spending import CustomSpending as CustomSpending
    from trials.boundaries.spending import HwangShihDeCani as HwangShihDeCani
    from trials.boundaries.spending import KimDeMets as KimDeMets
    from trials.boundaries.spending import OBrienFlemingSpending as OBrienFlemingSpending
    from trials.boundaries.spending import PocockSpending as PocockSpending
    from trials.boundaries.survival import fixed_events as fixed_events
    from trials.boundaries.survival import power_survival as power_survival
    from trials.boundaries.survival import sample_size_survival as sample_size_survival
    from trials.boundaries.two_stage import simon_two_stage as simon_two_stage
    from trials.boundaries.two_stage import two_stage_power as two_stage_power
    from trials.boundaries.wang_tsiatis import OBrienFleming as OBrienFleming
    from trials.boundaries.wang_tsiatis import Pocock as Pocock
    from trials.boundaries.wang_tsiatis import WangTsiatis as WangTsiatis

_NAMES = {
    "accruing": ("SurvivalPlan", "dropout_hazard", "expected_events", "expected_subjects", "time_of_events"),
    "alpha_spending": ("AlphaSpending",),
    "base": ("Boundary", "Bounds"),
    "estimating": ("final_analysis", "repeated_interval"),
    "futility": ("BetaSpending", "FutilityBounds"),
    "haybittle_peto": ("HaybittlePeto",),
    "means": ("power_means", "sample_size_means"),
    "observing": ("critical_values",),
    "performance": (
        "expected_information", "fixed", "given_bounds", "inflation_factor", "required_drift", "stop_probabilities",
    ),
    "rates": ("power_rates", "sample_size_rates"),
    "reestimation": (
        "BlindedReestimation", "UnblindedReestimation", "conditional_critical_value", "inverse_normal",
    ),
    "remaining": ("conditional_power", "predictive_power", "predictive_power_of_points"),
    "spending": ("CustomSpending", "HwangShihDeCani", "KimDeMets", "OBrienFlemingSpending", "PocockSpending"),
    "survival": ("fixed_events", "power_survival", "sample_size_survival"),
    "two_stage": ("simon_two_stage", "two_stage_power"),
    "wang_tsiatis": ("OBrienFleming", "Pocock", "WangTsiatis"),
}  # fmt: skip
_HOME = {name: module for module, names in _NAMES.items() for name in names}

__all__ = sorted(_HOME)


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'trials.boundaries' has no attribute {name!r}")
    value = getattr(import_module(f"trials.boundaries.{_HOME[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOME])
