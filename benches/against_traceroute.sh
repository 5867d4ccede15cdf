#!/usr/bin/env bash
# Time to a verdict, beside `traceroute -T` run twice (target and reference), in one world of kernel routers.
#
# Builds a chain of 11 routers in network namespaces (no route out), hosts at hop 12, and times in the same run:
#   clear     everything answers
#   hop 4     the path to the target stops behind hop 4
#   limited   the same, with every router answering once a second (Linux defaults)
# Needs root, iproute2, nftables, traceroute, python3. Takes about two minutes; removes what it made.
set -euo pipefail
cd "$(dirname "$0")/.."
cargo build --release --quiet
program=$PWD/target/release/lasthop
# shellcheck source=benches/support/chain.sh
. benches/support/chain.sh
cat >"$work/time.py" <<'P'
"""Runs a command; prints seconds, seconds to the first line on stderr, peak memory in MB."""
import os, resource, subprocess, sys, time
began = time.monotonic()
child = subprocess.Popen(sys.argv[1:], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
first = None
for line in child.stderr:
    if first is None and b"so far" in line:
        first = time.monotonic() - began
child.wait()
took = time.monotonic() - began
peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
print(f"{took:.3f} {first if first is not None else 0:.3f} {peak:.1f}")
P
measure() { in_ns 0 python3 "$work/time.py" "$@"; }
median() { sort -n | awk '{a[NR] = $1} END {print a[int((NR + 1) / 2)]}'; }

row() { # name, runs
    local name=$1 runs=$2 ours first peak default tuned
    for _ in $(seq "$runs"); do
        measure "$program" diagnose "$target" 25 -r "$reference" >>"$work/$name.ours"
        measure sh -c "traceroute -T -n -p 25 $target; traceroute -T -n -p 25 $reference" >>"$work/$name.default"
        measure sh -c "traceroute -T -n -p 25 -N 64 -q 1 -w 1 $target; traceroute -T -n -p 25 -N 64 -q 1 -w 1 $reference" >>"$work/$name.tuned"
    done
    ours=$(awk '{print $1}' "$work/$name.ours" | median)
    first=$(awk '{print $2}' "$work/$name.ours" | median)
    peak=$(awk '{print $3}' "$work/$name.ours" | median)
    default=$(awk '{print $1}' "$work/$name.default" | median)
    tuned=$(awk '{print $1}' "$work/$name.tuned" | median)
    awk -v n="$name" -v o="$ours" -v f="$first" -v p="$peak" -v d="$default" -v t="$tuned" 'BEGIN {
        printf "%-9s %8.2f s %8.2f s %7.1f MB %9.2f s %9.2f s %8.2f %8.2f\n", n, o, f, p, d, t, o / d, o / t }'
}

echo "medians; the last two columns: lasthop's time divided by traceroute's (two runs)"
printf '%-9s %10s %10s %10s %11s %11s %8s %8s\n' case verdict first-line memory 'defaults' 'tuned' '/default' '/tuned'
limits 0 1000000 1000000
row clear 3
block
row hop4 3
limits 1000 1000 50
row limited 1
