"""What every room stands on: errors, files, the lock of a run folder, signals, this machine, the console, and the two tasks."""
