"""One training, evaluation or job from plan to result: plan, write, launch, run, here or on Slurm."""
