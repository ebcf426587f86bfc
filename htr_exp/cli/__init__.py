"""The command line: verbs, exit codes, and what check and doctor show."""
