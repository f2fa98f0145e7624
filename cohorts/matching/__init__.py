"""Virtual populations calibrated to published baseline tables: weights, and what they cost."""
