#!/usr/bin/env bash
# Does a watch that runs for long grow? Memory and descriptors, sampled; an exit status of 1 where either does.
#
#   soak.sh [SECONDS]            a real watch on kernel routers, an hour if not said: three targets every 30 seconds (the least
#                                interval there is) with the largest budget, the path blocked and freed again every five
#                                minutes so that events are told (--exec), and the figures fetched by a scraper (--metrics)
#   soak.sh --simulated [HOURS]  simulated hours, 24 if not said, a run a minute, blocks that come and go
#
# What grows is told from what warms up: the first quarter of the samples is left out, and of the rest the peak of the later
# half must not exceed that of the earlier one by more than 2 % or 1 MiB of memory, nor by any descriptor or thread. Between
# runs a descriptor less is open than in one, so peaks are compared. SQLite's page cache (2 MiB) and the allocator's spare
# pages are what warms up. Needs root (not for --simulated), iproute2, nftables, python3. LASTHOP names another program than
# the release build. The samples are printed, and kept where SAMPLES says.
set -euo pipefail
cd "$(dirname "$0")/.."
program=${LASTHOP:-}
if [ -z "$program" ]; then
    cargo build --release --quiet
    program=$PWD/target/release/lasthop
fi
samples=${SAMPLES:-$(mktemp)}

# Samples a process until it ends: seconds, resident KiB, descriptors, threads. $1 the process, $2 seconds between two.
sample() {
    python3 -u - "$1" "$2" >"$samples" <<'P'
import os, sys, time
process, every = sys.argv[1], float(sys.argv[2])
begun = time.monotonic()
while True:
    try:
        status = dict(line.split(":", 1) for line in open(f"/proc/{process}/status"))
        if "Z" in status["State"]:
            break
        print(f"{time.monotonic() - begun:.1f}", status["VmRSS"].split()[0],
              len(os.listdir(f"/proc/{process}/fd")), status["Threads"].strip())
    except (OSError, KeyError):
        break
    time.sleep(every)
P
}

# Says whether the samples grow.
judge() {
    python3 - "$samples" "$1" <<'P'
import sys
rows = [[float(one) for one in line.split()] for line in open(sys.argv[1])]
if len(rows) < int(sys.argv[2]):
    sys.exit(f"only {len(rows)} samples: the watch ended too soon, or it was too short to judge")
rows = rows[len(rows) // 4:]
half = len(rows) // 2
grew = False
for column, name, slack in ((1, "resident KiB", lambda peak: max(1024, peak * 0.02)), (2, "descriptors", lambda _: 0),
                            (3, "threads", lambda _: 0)):
    early, late = (max(row[column] for row in part) for part in (rows[:half], rows[half:]))
    grows = late > early + slack(early)
    grew |= grows
    print(f"{name:13} peak {early:9.0f}, later {late:9.0f}{'  GROWS' if grows else ''}")
sys.exit(1 if grew else 0)
P
}

if [ "${1:-}" = --simulated ]; then
    hours=${2:-24}
    work=$(mktemp -d)
    trap 'rm -rf "$work"' EXIT
    # A cycle of an hour, an hour a cycle: well, blocked, elsewhere, well again.
    script=$(for _ in $(seq "$hours"); do printf 'clear:25,blackhole:10,clear:15,edge:10,'; done)
    "$program" watch --simulate "${script%,}" --interval 60s --json --history "$work/h.db" >"$work/events" &
    sample $! 0.1
    wait $!
    echo "$hours hours, $(wc -l <"$work/events") events"
    judge 16
    exit
fi

seconds=${1:-3600}
lifetime=$((seconds + 60))
# Addresses that a table can know: nothing of it leaves these namespaces.
prefix=212.188
# shellcheck source=benches/support/chain.sh
. benches/support/chain.sh
limits 0 1000000 1000000
printf '%s\t%s\t%s\tXX\t%s\n' $prefix.0.0 $prefix.2.255 8359 near $prefix.3.0 $prefix.8.255 57681 middle \
    $prefix.9.0 $prefix.255.255 19905 far >"$work/table.tsv"
# The figures are read inside the namespace, where the watch serves them.
in_ns 0 timeout --preserve-status -s INT "$((seconds + 5))" "$program" watch "$target" 25 -r "$reference" \
    --also "$prefix.$((hops - 1)).2:25" --also "$prefix.$((hops - 2)).2:25" --interval 30s --jitter 0 --max-probes 2000 --confidence 0.9999 \
    --db "$work/table.tsv" --exec true --metrics=127.0.0.1:9478 --json --history "$work/h.db" >"$work/events" 2>"$work/said" &
runner=$!
sleep 3
watch=$(pgrep -f "^$program watch .*--history $work/" | head -1)
blocked=
(
    for at in $(seq "$((seconds / 60))"); do
        sleep 60
        in_ns 0 python3 -c "
import urllib.request
urllib.request.urlopen('http://127.0.0.1:9478/metrics', timeout=5).read()" 2>/dev/null || echo "no figures" >&2
        if [ $((at % 5)) = 0 ]; then
            if [ -z "$blocked" ]; then block && blocked=1; else unblock && blocked=; fi
        fi
    done
) &
scraper=$!
sample "$watch" "$((seconds < 3600 ? 20 : 60))"
kill "$scraper" 2>/dev/null || true
wait "$runner" || echo "the watch ended with status $?"
cat "$samples"
echo "$seconds s, $(wc -l <"$work/events") events, history $(du -k "$work/h.db" | cut -f1) KiB"
sort "$work/said" | uniq -c | sort -rn | head -5
judge 12
