"""kraken from outside: its command lines, models, checkpoints and output, release by release, and the places where it is installed."""
