"""Dates and times of SDTM (ISO 8601) as numbers of analysis data sets: days and seconds since the start of 1960."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

type Array = np.ndarray

EPOCH = np.datetime64("1960-01-01T00:00:00", "us")
DATE, TIME = "DATE9.", "DATETIME20."
DAY = 86400.0
"""Seconds in a day."""


def moment(texts: Sequence[str] | pd.Series[Any]) -> Array:
    """Seconds since the start of 1960 (record,); NaN of an empty text. A date without a time is its midnight."""
    given = ["" if not isinstance(text, str) else text for text in texts]
    found = np.full(len(given), np.nan)
    there = np.asarray([bool(text) for text in given], dtype=bool)
    if there.any():
        stamps = np.asarray([text for text in given if text], dtype="datetime64[us]")
        found[there] = (stamps - EPOCH) / np.timedelta64(1, "s")
    return found


def day(texts: Sequence[str] | pd.Series[Any]) -> Array:
    """Whole days since the start of 1960 (record,); NaN of an empty text."""
    return np.floor(moment(texts) / DAY)
