"""Functions of place, time and temperature: numbers, expressions, tables, arrays, and properties that melt."""
