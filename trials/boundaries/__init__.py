"""Boundaries: the mathematics of group-sequential and adaptive designs, and of sample sizes."""
