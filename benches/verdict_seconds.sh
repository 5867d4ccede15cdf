#!/usr/bin/env bash
# Seconds to the verdict at 99 %, beside the traces that people make for a report: target blocked behind hop 4 of 12.
#
# Each tool traces both hosts, target and reference, one after the other, as its users do:
#   traceroute -T           3 probes a hop, all defaults
#   mtr -T -r               10 cycles
#   trip                    10 cycles, where it is installed
#   scamper trace -P tcp    all defaults
#   tcptraceroute           3 probes a hop, all defaults: minutes
# and `traceroute -T -N 64 -q 1 -w 1`, the fastest sweep there is, which carries no evidence. Whatever is not installed is
# said to be missing. The world is that of against_traceroute.sh, without limits to its routers' errors. Needs root,
# iproute2, nftables, traceroute, python3. `verdict_seconds.sh [RUNS]`: runs of whatever takes seconds, 3 if not said;
# what takes longer runs once. Takes some eight minutes.
set -euo pipefail
cd "$(dirname "$0")/.."
cargo build --release --quiet
program=$PWD/target/release/lasthop
runs=${1:-3}
# shellcheck source=benches/support/chain.sh
. benches/support/chain.sh

limits 0 1000000 1000000
block
# A verdict that is not one, or not sure, is no time.
in_ns 0 "$program" diagnose "$target" 25 -r "$reference" --json >"$work/run.json" || true
python3 - "$work/run.json" <<'P'
import json, sys
verdict = json.load(open(sys.argv[1]))["verdict"]
print(f"verdict: {verdict['kind']}, behind hop {verdict['after_ttl']}, location {verdict['location_confidence']:.3f}")
assert verdict["after_ttl"] == 4 and verdict["location_confidence"] >= 0.99, verdict
P

seconds() { # command and words
    in_ns 0 python3 - "$@" <<'P'
import subprocess, sys, time
began = time.monotonic()
subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=900)
print(f"{time.monotonic() - began:.3f}")
P
}

row() { # name, runs, tool, command
    local name=$1 times=$2 tool=$3 command=$4 median
    if ! command -v "$tool" >/dev/null; then
        printf '%-44s %10s\n' "$name" "missing"
        return
    fi
    median=$(for _ in $(seq "$times"); do seconds sh -c "$command"; done | sort -n | awk '{a[NR] = $1} END {print a[int((NR + 1) / 2)]}')
    if [ "$name" = lasthop ]; then ours=$median; fi
    awk -v n="$name" -v s="$median" -v o="$ours" 'BEGIN { printf "%-44s %8.2f s %8.3f\n", n, s, o / s }'
}

both() { printf '%s; %s' "$(printf "$1" "$target")" "$(printf "$1" "$reference")"; }

printf '%-44s %10s %8s\n' "both hosts traced, medians" "" "lasthop/"
row lasthop "$runs" "$program" "$program diagnose $target 25 -r $reference"
row 'traceroute -T -N 64 -q 1 -w 1' "$runs" traceroute "$(both 'traceroute -T -n -p 25 -N 64 -q 1 -w 1 %s')"
row 'traceroute -T' 1 traceroute "$(both 'traceroute -T -n -p 25 %s')"
row 'mtr -T -r -c 10' 1 mtr "$(both 'mtr -T -n -r -c 10 -P 25 %s')"
row 'trip -m silent -C 10' 1 trip "$(both 'trip --tcp -P 25 -m silent -C 10 %s')"
row 'scamper trace -P tcp' 1 scamper "$(both 'scamper -c "trace -P tcp -d 25" -i %s')"
row 'tcptraceroute' 1 tcptraceroute "$(both 'tcptraceroute -n %s 25')"
