"""What every room stands on: errors, files and what is remembered of them, the lock of a run folder and who holds it, signals, other programs, this machine, the console, and the two tasks."""
