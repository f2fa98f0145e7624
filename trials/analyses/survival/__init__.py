"""Mathematics of times to event, for all replicates at once: arrays (replicate, subject) in, (replicate,) out."""
