#!/usr/bin/env bash
# Run all of `myocard benchmark paper`, over seven vendors' folders of a few
# hundred simulated records, with a small encoder and one epoch. Its scores mean nothing.
#
#     docs/experiments/paper.sh OUT        (with the virtual environment's bin on PATH)
set -euo pipefail
out=$1
simulate() { # folder, layout, records, site, seed
  myocard simulate --layout "$2" --records "$3" --site "$4" --seed "$5" --out "$out/$1"
}
simulate ptbxl ptbxl 300 A 1
simulate chapman chapman 300 B 2
simulate cpsc2018 challenge 60 B 3
simulate cpsc2018-extra challenge 60 A 4
simulate incart challenge 60 B 5
# The simulator numbers the records of a layout from one, and PTB is of PTB-XL's family: other names.
simulate ptb ecg-arrhythmia 60 A 6
simulate georgia challenge 60 A 7
export PTBXL=$out/ptbxl CHAPMAN=$out/chapman CPSC2018=$out/cpsc2018 \
  CPSC2018_EXTRA=$out/cpsc2018-extra INCART=$out/incart PTB=$out/ptb GEORGIA=$out/georgia
myocard benchmark paper --out "$out/benchmark" --test \
  --set 'pretraining.size = "nano"' \
  --set 'pretraining.optimisation = { epochs = 1, warmup_epochs = 0.1, batch = 16, accumulate = 1 }' \
  --set 'probing = { readouts = ["last", "ppa", "pma"], heads = ["linear"], penalties = [1e-2], seeds = [0], min_positives = 3, optimisation = { epochs = 3 } }' \
  --set 'baselines = []'
