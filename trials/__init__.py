"""Virtual clinical trials: protocols, their simulation, analysis, operating characteristics and evidence.

Three verbs carry the package::

    trial = trials.load("theophylline_bioequivalence", overrides=["design.n=24"])
    result = trials.run(trial, replicates=1000, seed=1)
    trials.characteristics(result)

Names are imported on first use, so that ``import trials`` costs nothing. No module has the name of a function, or
importing it would put the module where the function belongs.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from trials.comparison import compare as compare
    from trials.compose import load as load
    from trials.design_prior import DesignPrior as DesignPrior
    from trials.design_prior import assurance as assurance
    from trials.errors import TrialError as TrialError
    from trials.monitoring.rescoring import rescore as rescore
    from trials.operating import characteristics as characteristics
    from trials.packaging import package as package
    from trials.protocol import Arm as Arm
    from trials.protocol import Measurement as Measurement
    from trials.protocol import Protocol as Protocol
    from trials.protocol import Published as Published
    from trials.protocol import Result as Result
    from trials.protocol import Scenario as Scenario
    from trials.protocol import Trial as Trial
    from trials.rules.scoring import score as score
    from trials.rules.scoring import threshold as threshold
    from trials.running import run as run
    from trials.storytelling import tell as tell
    from trials.twins import twin as twin
    from trials.twins import twin_cohort as twin_cohort
    from trials.verification import check as check
    from trials.verification import verify as verify

_HOME = {
    "Arm": "protocol",
    "DesignPrior": "design_prior",
    "Measurement": "protocol",
    "Protocol": "protocol",
    "Published": "protocol",
    "Result": "protocol",
    "Scenario": "protocol",
    "Trial": "protocol",
    "TrialError": "errors",
    "assurance": "design_prior",
    "characteristics": "operating",
    "check": "verification",
    "compare": "comparison",
    "load": "compose",
    "package": "packaging",
    "rescore": "monitoring.rescoring",
    "run": "running",
    "score": "rules.scoring",
    "tell": "storytelling",
    "threshold": "rules.scoring",
    "twin": "twins",
    "twin_cohort": "twins",
    "verify": "verification",
}

__all__ = sorted(_HOME)


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        return _module(name)
    value = getattr(import_module(f"trials.{_HOME[name]}"), name)
    globals()[name] = value
    return value


def _module(name: str) -> Any:
    """A module of the package, so that ``trials.twins`` needs no import of its own."""
    where = f"trials.{name}"
    try:
        return import_module(where)
    except ModuleNotFoundError as missing:
        if missing.name != where:
            raise
        raise AttributeError(f"module 'trials' has no attribute {name!r}") from None


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOME])
