"""What the estimate of an analysis is called, with its unit, as tables and axes show it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from trials.analyses.base import Analysis
    from trials.protocol import Protocol

RATIOS = {
    "Logistic": "odds ratio", "FisherExact": "odds ratio", "ProportionalOdds": "odds ratio",
    "CountRegression": "rate ratio", "Weibull": "ratio of times to event",
    "RestrictedMean": "ratio of restricted means", "RankSum": "ratio",
}  # fmt: skip
"""Ratios by the analysis that estimates them."""
OF_MEASURE = {"continuous": "ratio of geometric means", "survival": "hazard ratio"}
"""Ratios by what the endpoint is, of all other analyses."""
PLAIN = {
    "Milestone": "difference in survival", "KaplanMeier": "survival", "SurvivalQuantile": "time",
    "RestrictedMean": "difference of restricted means",
}  # fmt: skip
"""What is no ratio, by the analysis that estimates it."""
OF_SCALE = {"mean": "mean", "log-mean": "geometric mean"}
WITHOUT_UNIT = ("", "1", "dimensionless")


def effect(protocol: Protocol, name: str) -> str:
    """Name of what the analysis called `name` estimates: ``difference (kg)``, ``hazard ratio``."""
    analysis = protocol.analysis(name)
    unit = protocol.endpoint(analysis.endpoint).unit
    words = called(analysis)
    bare = analysis.scale == "log-ratio" or words in ("survival", "difference in survival") or unit in WITHOUT_UNIT
    return words if bare else f"{words} ({unit})"


def called(analysis: Analysis) -> str:
    """The same without its unit; of an analysis on the logarithm it is the ratio or geometric mean."""
    kind = type(analysis).__name__
    if analysis.scale == "log-ratio":
        own = str(getattr(analysis, "effect", "")).replace("_", " ")
        return own if "ratio" in own else RATIOS.get(kind) or OF_MEASURE.get(analysis.measure, "ratio")
    if analysis.scale == "difference" and analysis.measure == "binary":
        return "difference of proportions"
    return PLAIN.get(kind) or OF_SCALE.get(analysis.scale, "difference")
