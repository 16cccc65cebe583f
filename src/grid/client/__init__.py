"""The typed client of the service: `GridClient`, `AsyncGridClient`, and the calls that both send."""
