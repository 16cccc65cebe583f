"""One script for each peer; each runs in an environment of its own and prints a record a line."""
