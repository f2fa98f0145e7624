"""Libraries that only the exchange of models needs, imported when one is asked for."""

from importlib import import_module
from typing import Any

from engine.errors import ModelError


def library(name: str, purpose: str) -> Any:
    """Import an optional library; ModelError says how to install it."""
    try:
        return import_module(name)
    except ImportError:
        package = name.split(".")[0]
        raise ModelError(
            f"{purpose} needs the package {package}, which is not installed: pip install 'trialtwin[interchange]'"
        ) from None
