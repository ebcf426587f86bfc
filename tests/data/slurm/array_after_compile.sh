#!/bin/bash

# Parameters
#SBATCH --array=0-11%3
#SBATCH --chdir=/work/cache/jobs
#SBATCH --constraint=gputc
#SBATCH --cpus-per-task=4
#SBATCH --dependency=afterok:4711
#SBATCH --gres=gpu:1
#SBATCH --job-name=odalricus-1a2b3c4d
#SBATCH --kill-on-invalid-dep=yes
#SBATCH --mail-type=END,FAIL
#SBATCH --mem=8192M
#SBATCH --nodes=1
#SBATCH --ntasks-per-node=1
#SBATCH --open-mode=append
#SBATCH --output=/work/cache/jobs/%A_%a_0_log.out
#SBATCH --partition=publicgpu
#SBATCH --requeue
#SBATCH --signal=USR2@120
#SBATCH --time=300

# setup
export PYTHONPATH=/work/cache/code/0a1b${PYTHONPATH:+:$PYTHONPATH}
export SLURM_EXPORT_ENV=ALL

# command
export SUBMITIT_EXECUTOR=slurm
srun --unbuffered --output /work/cache/jobs/%A_%a_%t_log.out --cpus-per-task=4 sh -c 'trap "" TERM USR2; cd /; exec "$@"' sh PYTHON -c 'import runpy, signal, sys; signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGUSR2}); del sys.argv[:3]; runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)' -u -m submitit.core._submit /work/cache/jobs


# teardown
ended=$?
[ $ended = 90 ] && exit 1
[ $ended = 0 ] || (cd / && exec PYTHON -u -m htr_exp.pipeline.lost_step /work/cache/jobs $ended) && exit 0
exit $ended