"""Slurm through its own programs: what they say of jobs and of the cluster, what they refuse, and how work is given to them."""
