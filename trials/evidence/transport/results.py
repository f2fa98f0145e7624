"""Analysis results as Analysis Results Metadata 1.0 of Define-XML tells them: display, data, method and code."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from trials.checks import Choice, fields

REASONS = ("SPECIFIED IN PROTOCOL", "SPECIFIED IN SAP", "DATA DRIVEN", "REQUESTED BY REGULATORY AGENCY")
PURPOSES = ("PRIMARY OUTCOME MEASURE", "SECONDARY OUTCOME MEASURE", "EXPLORATORY OUTCOME MEASURE")


@dataclass(frozen=True, slots=True)
class AnalysisResult:
    """A result of a display.

    Attributes
    ----------
    name
        Identifier within the display, such as ``auc``.
    description
        What the result is.
    reason, purpose
        Of `REASONS` and `PURPOSES`.
    variables
        Data set to the variables that were analysed: ``{"ADPP": ("AVAL", "TRTP")}``.
    where
        Data set to the records that were analysed: ``{"ADPP": "PARAMCD EQ AUCLST AND ANL01FL EQ Y"}``.
    parameter
        Variable that names the parameter (``PARAMCD``) when the result is of one, or empty.
    documentation
        How it was analysed, in words.
    context, code
        Language, and the code that gives the result.
    """

    name: str
    description: str
    reason: str
    purpose: str
    variables: Mapping[str, Sequence[str]]
    where: Mapping[str, str] = field(default_factory=dict)
    parameter: str = ""
    documentation: str = ""
    context: str = "Python"
    code: str = ""

    def __post_init__(self) -> None:
        """Refuse reasons and purposes that the standard does not know."""
        fields(self, f"results.{self.name}", reason=Choice(REASONS), purpose=Choice(PURPOSES))


@dataclass(frozen=True, slots=True)
class Display:
    """A table or figure of a report with its results.

    Attributes
    ----------
    name, description
        ``Table 1`` and its title.
    results
        What it shows.
    document, title
        File that holds it, relative to define.xml, and its title; empty if none.
    """

    name: str
    description: str
    results: Sequence[AnalysisResult]
    document: str = ""
    title: str = ""
