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
# A job that fails takes the ones behind it out of the queue. Run the same line again: what is done is not done again.
set -euo pipefail
if [ $# -lt 3 ]; then
  sed -n '2,11s/^# \{0,1\}//p' "$0"
  exit 2
fi
here=$(cd "$(dirname "$0")" && pwd)
model=$1 out=$2
shift 2

submit() { # print the job's number; sbatch says "number;cluster" where there are several clusters
  local job
  job=$(sbatch --parsable --kill-on-invalid-dep=yes "$@")
  echo "${job%%;*}"
}

build=$(submit --array="0-$((${TASKS:-16} - 1))" "$here/data_build.sbatch" "$@" --out "$out/build")
last=$(submit --dependency="afterany:$build" --output=gmai-data-%j.log "$here/data_build.sbatch" "$@" --out "$out/build")
echo "build: $build, published by $last"

for stage in 1 2 3; do
  # shellcheck disable=SC2086 # TRAIN holds several words
  last=$(submit --dependency="afterok:$last" "$here/train_stage.sbatch" \
    --stage "$stage" --model "$model" --data "$out/build/mix.yaml" --out "$out/stage$stage" ${TRAIN:-})
  model=$out/stage$stage/model
  echo "stage $stage: $last"
done

last=$(submit --dependency="afterok:$last" "$here/bench.sbatch" --model "$model" \
  --benchmarks "${BENCHMARKS:-$out/build/benchmarks/held_out.yaml}" \
  ${DATA_ROOT:+--data-root "$DATA_ROOT"} --out "$out/bench")
echo "bench: $last, report in $out/bench/report.html"
