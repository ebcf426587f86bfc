"""Which pages are for training, validation and test: drawn by seed or given, whole groups only, frozen to a file; and the guard against leaks."""
