"""Alerts of live runs: their rules and transitions, covers, silences, groups and notices."""
