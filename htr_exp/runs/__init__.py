"""Run folders: their files and seals, where they come from, how they stand, their logs and tables."""
