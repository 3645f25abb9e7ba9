"""Watching over alertd itself: measures, link tests, stage clocks, alarms."""
