"""Pages on single records."""
