"""Many small runs on the test cluster for hours, while Slurm, its nodes and an MLflow server go away and come back: `make soak`."""
