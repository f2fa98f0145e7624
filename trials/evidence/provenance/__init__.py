"""Where a package comes from: software, settings, code, and what made what of what."""
