"""The engine beside its peers: definitions, one process for each tool, errors in every run, one table."""
