"""Causes of intercurrent events: hazards and rules. One file a family; ``base`` has the contract."""
