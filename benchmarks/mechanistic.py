"""A mechanistic trial, simulated and analysed: seconds per 1,000 replicates on one core.

2 x 150 patients with a two-compartment drug and an indirect response, 168 daily doses, a baseline and six visits over
24 weeks, analysis of covariance at the last; ``conf/`` has all of it. On one machine mrgsolve 2.0.2 with dplyr and lm
took 530 s at tolerances of 1e-8 (401 s at 1e-6) and found a difference of -15.32 (0.22). The drug is taken as
prescribed; a second row has doses left out, so that every patient has doses of their own, and patients who stop.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

import trials
from benchmarks.measure import record, summary
from trials.block import Work, simulate_block
from trials.protocol import Protocol

CONF = Path(__file__).resolve().parent / "conf"
REPLICATES, BLOCK = 1000, 100
LEFT_OUT = (
    "+adherence={_target_:trials.conduct.adherence.Markov,after_taken:0.95,after_missed:0.6}",
    "+intercurrent.stopped={cause:{_target_:trials.conduct.causes.hazard.Hazard,rate:5e-5},stops:true}",
)


def protocol(overrides: Sequence[str] = ()) -> Protocol:
    """Return the protocol in which the drug works."""
    return trials.load("mechanistic", ["runs=null", *overrides], config_dir=CONF).scenario("active").protocol


def estimates(made: Protocol) -> np.ndarray:
    """Return the difference found in each replicate."""
    blocks = [range(first, first + BLOCK) for first in range(0, REPLICATES, BLOCK)]
    found = [simulate_block(Work("", made, block, 1, None))["outcome.estimate"][:, 0] for block in blocks]
    return np.concatenate(found)


def main() -> None:
    """Time each case three times, after a small one that compiles."""
    rows = {}
    for name, overrides in (("as prescribed", ()), ("doses left out, patients who stop", LEFT_OUT)):
        made = protocol(overrides)
        simulate_block(Work("", made, range(2), 1, None))
        times = []
        for _ in range(3):
            start = time.process_time()
            found = estimates(made)
            times.append(time.process_time() - start)
        about = {"difference": float(found.mean()), "mcse": float(found.std(ddof=1) / np.sqrt(REPLICATES))}
        rows[f"mechanistic trial, {REPLICATES:,} replicates, {name}"] = summary(times) | about
    record("mechanistic", rows)


if __name__ == "__main__":
    main()
