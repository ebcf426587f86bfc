"""What a paper needs of its runs: tables, figures, methods, checklist, commands and references, made from run folders alone."""
