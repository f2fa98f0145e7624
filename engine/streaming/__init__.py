"""Simulations larger than memory: subjects in chunks, written to a store or reduced to metrics where they are made."""
