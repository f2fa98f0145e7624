"""Populations learned from data: the PyMC model, its sampler and the gates a fit must pass."""
