"""Incidents: opened by a critical alert or by hand, worked with a runbook, recorded in a chain that nobody can edit."""
