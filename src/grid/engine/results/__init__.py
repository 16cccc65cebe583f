"""Results of a run: fields, verdicts, tables, files and pictures."""
