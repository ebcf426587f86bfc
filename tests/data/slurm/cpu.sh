#!/bin/bash

# Parameters
#SBATCH --chdir=/work/cache/jobs
#SBATCH --cpus-per-task=4
#SBATCH --job-name=odalricus-tridis-0123abcd
#SBATCH --nodes=1
#SBATCH --ntasks-per-node=1
#SBATCH --open-mode=append
#SBATCH --output=/work/cache/jobs/%j_0_log.out
#SBATCH --partition=public
#SBATCH --requeue
#SBATCH --signal=USR2@120
#SBATCH --time=300

# setup
export PYTHONPATH=/work/cache/code/0a1b${PYTHONPATH:+:$PYTHONPATH}
export SLURM_EXPORT_ENV=ALL

# command
export SUBMITIT_EXECUTOR=slurm
srun --unbuffered --output /work/cache/jobs/%j_%t_log.out --cpus-per-task=4 sh -c 'trap "" TERM USR2; cd /; exec "$@"' sh PYTHON -c 'import runpy, signal, sys; signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGUSR2}); del sys.argv[:3]; runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)' -u -m submitit.core._submit /work/cache/jobs


# teardown
ended=$?
[ $ended = 90 ] && exit 1
[ $ended = 0 ] || (cd / && exec PYTHON -u -m htr_exp.pipeline.lost_step /work/cache/jobs $ended) && exit 0
exit $ended