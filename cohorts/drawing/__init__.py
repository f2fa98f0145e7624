"""Virtual patients drawn from a population, each at its own address of random numbers."""
