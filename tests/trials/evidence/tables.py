"""A small data set with what formats trip over: blanks, missing numbers, blank columns, awkward doubles."""

import numpy as np
import pandas as pd

from trials.evidence.table import Column, Table

COLUMNS = (
    Column("STUDYID", "Study Identifier", core="Req", role="Identifier"),
    Column("USUBJID", "Unique Subject Identifier", core="Req"),
    Column("PCSEQ", "Sequence Number", "integer", core="Req"),
    Column("PCORRES", "Result or Finding in Original Units"),
    Column("PCSTRESN", "Numeric Result", "float", format="8.3"),
    Column("PCREASND", "Reason Not Done"),
    Column("PCDTC", "Date/Time of Collection", codelist="ISO 8601"),
)


def small(**changes):
    frame = pd.DataFrame(
        {
            "STUDYID": ["S"] * 4,
            "USUBJID": ["S-1", "S-1", "S-2", "S-2"],
            "PCSEQ": [1.0, 2.0, 1.0, 2.0],
            "PCORRES": ["", "0.1", "x" * 200, "1e-300"],
            "PCSTRESN": [np.nan, 0.1, -0.0, np.nextafter(1.0, 2.0)],
            "PCREASND": ["", "", "", ""],
            "PCDTC": ["2026-01-01T08:00", "", "2026-01-02T08:00", "2026-01-02T08:15"],
        }
    )
    given = {
        "name": "PC",
        "label": "SIMULATED Pharmacokinetics Concentrations",
        "structure": "One record per sample",
        "of": "FINDINGS",
        "keys": ("STUDYID", "USUBJID", "PCSEQ"),
        "columns": COLUMNS,
        "frame": frame,
    }
    return Table(**{**given, "label": "SIMULATED Concentrations", **changes})
