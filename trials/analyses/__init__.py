"""Analyses: trial data to an estimate and a decision a replicate. One file an analysis; ``base`` has the contract."""
