"""Pictures of a run. `gallery` knows which a result has, ``of_*`` take their numbers from it, the others draw."""
