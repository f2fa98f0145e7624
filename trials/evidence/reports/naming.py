"""Names for readers: of characteristics, of kinds of design and analysis, of their methods, of what is missing."""

from __future__ import annotations

import inspect
import re
from typing import TYPE_CHECKING

from trials.table import KINDS

if TYPE_CHECKING:
    from trials.evidence.answers import Answers

NAMES = {
    **KINDS, "truth": "true effect", "estimate": "mean estimate", "estimate_adjusted": "mean adjusted estimate",
    "bias_adjusted": "bias, adjusted", "coverage": "coverage of the interval",
    "coverage_adjusted": "coverage of the adjusted interval", "mse": "mean squared error",
    "mse_adjusted": "mean squared error, adjusted", "empirical_se": "SD of the estimates",
    "model_se": "mean standard error", "relative_error_se": "error of the standard error (%)",
    "n": "subjects analysed", "analysed": "subjects in the estimate", "failed": "failed replicates",
    "failure_rate": "share of failed replicates", "subjects_failed": "subjects not simulated",
    "cv_within": "within-subject CV", "look": "look at the stop", "efficacy": "stopped for efficacy",
    "futility": "stopped for futility", "probability": "posterior probability",
    "log_likelihood_null": "log likelihood under the null",
}  # fmt: skip
"""Characteristics as tables call them; others by their own name without its underscores."""
ASKED = {
    "sponsor": "sponsor", "protocol.number": "number of the protocol", "protocol.version": "version of the protocol",
    "deviations": "deviations from the plan, or that there were none",
    "verdict.adequate": "whether the credibility is adequate", "verdict.statement": "conclusion of the reviewer",
    "verdict.date": "day of the reviewer's conclusion",
}  # fmt: skip
"""Fields of the answers in words."""
ACRONYMS = {"Mmrm": "MMRM", "Ancova": "ANCOVA"}
"""Names of classes that readers know by their capitals."""
_PERSON = re.compile(r"people\[(\d+)\]\.(\w+)")
_CAPITALS = re.compile(r"(?<=[a-z])(?=[A-Z])")
_ROLE = re.compile(r":\w+:`~?([^`]+)`")


def characteristic(name: str) -> str:
    """Name of a characteristic; that of one hypothesis of a family says which."""
    kind, _, hypothesis = name.partition(": ")
    words = NAMES.get(kind, kind.replace("_", " "))
    return f"{words}: {hypothesis}" if hypothesis else words


def spaced(name: str) -> str:
    """Name of a class as words: ``Risk difference``."""
    first, *rest = _CAPITALS.split(ACRONYMS.get(name, name))
    return " ".join((first, *(word if word.isupper() else word.lower() for word in rest)))


def method(kind: type) -> list[str]:
    """What a class says of its method, paragraph by paragraph, up to the list of its fields."""
    found: list[str] = []
    for paragraph in inspect.cleandoc(kind.__doc__ or "").split("\n\n"):
        lines = paragraph.splitlines()
        if len(lines) > 1 and set(lines[1]) == {"-"}:
            break
        found.append(_ROLE.sub(r"`\1`", " ".join(paragraph.split()).replace("``", "`")))
    return found


def asked(field: str, answers: Answers) -> str:
    """A field of the answers in words: ``name of the designer``."""
    person = _PERSON.fullmatch(field)
    if person is None:
        return ASKED.get(field, field.replace("_", " ").replace(".", ": "))
    roles = answers.people[int(person[1])].roles
    return f"{person[2]} of the {' and '.join(roles) or 'person'}"
