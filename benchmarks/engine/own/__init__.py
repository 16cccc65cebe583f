"""The engine on the same problems, by the calls that a user makes."""
