#!/usr/bin/env bash
# All of it, on a login node: submits the build, the three stages and the benchmarks, each waiting for the one before.
#
#   ./pipeline.sh MODEL OUT RECIPE…       ./pipeline.sh gmai-vl /scratch/run1 bccd=/data/BCCD phantoms=/data/phantoms
#
# MODEL is what `gmai model init` wrote. Settings come from the environment:
#   TASKS=16              tasks of the build's array
#   TRAIN="--set …"       further options of `gmai train`, for all stages
#   BENCHMARKS=a,b        of `gmai bench list`; without it, the questions that the build held out
#   DATA_ROOT=DIR         where the files of the benchmarks lie
# If a job fails, the ones behind it are cancelled. Run the same line again: what is done is not done again.
set -euo pipefail
if [ $# -lt 3 ]; then
  sed -n '2,11s/^# \{0,1\}//p' "$0"
  exit 2
fi
here=$(cd "$(dirname "$0")" && pwd)
model=$1 out=$2
shift 2

queued=()
stop() { # the chain is not complete: say what waits, and how to cancel it
  echo "pipeline.sh: $1" >&2
  if [ ${#queued[@]} -gt 0 ]; then
    echo "Queued: ${queued[*]}. Cancel them with: scancel ${queued[*]}" >&2
  fi
  exit 1
}

submit() { # set $job; sbatch says "number;cluster" where there are several clusters
  job=$(sbatch --parsable --kill-on-invalid-dep=yes "$@") || stop "sbatch refused a job. Nothing more is submitted. After a time-out see with squeue whether it is there."
  job=${job%%;*}
  case $job in '' | *[!0-9]*) stop "sbatch gave no job number but '$job'. Nothing more is submitted." ;; esac
  queued+=("$job")
  echo "$job" >>"$out/pipeline.jobs"
}

# One chain of an OUT at a time: two would work on the same files. The folder is made by whoever comes first.
mkdir -p "$out"
if ! mkdir "$out/pipeline.lock" 2>/dev/null; then
  [ -d "$out/pipeline.lock" ] || stop "$out cannot be written to. Nothing is submitted."
  stop "another pipeline.sh submits the chain of $out. Nothing is submitted. If none runs: rmdir $out/pipeline.lock"
fi
trap 'rmdir "$out/pipeline.lock"' EXIT

# The jobs of an earlier chain must have left the queue.
if [ -s "$out/pipeline.jobs" ]; then
  known=$(squeue --noheader --user="$(id -un)" --format=%F) || stop "squeue does not answer, and $out has jobs of an earlier chain."
  while read -r job; do
    if grep -qx "$job" <<<"$known"; then queued+=("$job"); fi
  done <"$out/pipeline.jobs"
  if [ ${#queued[@]} -gt 0 ]; then stop "a chain of $out is already in the queue. Nothing is submitted."; fi
  rm "$out/pipeline.jobs"
fi

submit --array="0-$((${TASKS:-16} - 1))" "$here/data_build.sbatch" "$@" --out "$out/build"
build=$job
submit --dependency="afterany:$build" --output=gmai-data-%j.log "$here/data_build.sbatch" "$@" --out "$out/build"
echo "build: $build, published by $job"

for stage in 1 2 3; do
  # shellcheck disable=SC2086 # TRAIN holds several words
  submit --dependency="afterok:$job" "$here/train_stage.sbatch" \
    --stage "$stage" --model "$model" --data "$out/build/mix.yaml" --out "$out/stage$stage" ${TRAIN:-}
  model=$out/stage$stage/model
  echo "stage $stage: $job"
done

submit --dependency="afterok:$job" "$here/bench.sbatch" --model "$model" \
  --benchmarks "${BENCHMARKS:-$out/build/benchmarks/held_out.yaml}" \
  ${DATA_ROOT:+--data-root "$DATA_ROOT"} --out "$out/bench"
echo "bench: $job, report in $out/bench/report.html"
