#!/bin/bash

# Parameters
#SBATCH --chdir='/my work/it'"'"'s here/$HOME/jobs'
#SBATCH --constraint=gputc
#SBATCH --cpus-per-task=4
#SBATCH --gres=gpu:1
#SBATCH --job-name='l'"'"'an 1100'
#SBATCH --mail-type=END,FAIL
#SBATCH --mem=8192M
#SBATCH --nodes=1
#SBATCH --ntasks-per-node=1
#SBATCH --open-mode=append
#SBATCH --output='/my work/it'"'"'s here/$HOME/jobs/%j_0_log.out'
#SBATCH --partition=publicgpu
#SBATCH --requeue
#SBATCH --signal=USR2@120
#SBATCH --time=300

# setup
export PYTHONPATH='/my work/it'"'"'s here/$HOME/code'${PYTHONPATH:+:$PYTHONPATH}
export SLURM_EXPORT_ENV=ALL

# command
export SUBMITIT_EXECUTOR=slurm
srun --unbuffered --output '/my work/it'"'"'s here/$HOME/jobs/%j_%t_log.out' --cpus-per-task=4 sh -c 'trap "" TERM USR2; cd /; exec "$@"' sh PYTHON -c 'import runpy, signal, sys; signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGUSR2}); del sys.argv[:3]; runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)' -u -m submitit.core._submit '/my work/it'"'"'s here/$HOME/jobs'


# teardown
ended=$?
[ $ended = 90 ] && exit 1
[ $ended = 0 ] || (cd / && exec PYTHON -u -m htr_exp.pipeline.lost_step '/my work/it'"'"'s here/$HOME/jobs' $ended) && exit 0
exit $ended