"""`grid monitor`: one live run in a terminal. Only `command` is light to import; the rest loads NumPy and Textual."""
