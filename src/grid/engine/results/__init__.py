"""What a run leaves: fields, verdicts, tables, files and pictures."""
