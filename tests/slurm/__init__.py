"""Tests on a real Slurm; a package, so that its conftest is not taken for the one above."""
