"""Endpoints: a profile of measurements to one number. One file a family; ``base`` has the contract."""
