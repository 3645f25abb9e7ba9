"""The demo: alertd as it is, and stand-ins of the outside world that speak real protocols."""
