"""Designs: who gets what, when. One file a design; ``base`` has the contract."""
