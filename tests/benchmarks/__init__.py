"""How fast alertd is, as ratios to what is measured beside it in the same minutes: `make bench`."""
