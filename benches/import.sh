#!/usr/bin/env bash
# RIPE Atlas results of MEGABYTES (default 1024), one a line and as one list: read by lasthop whole, and by `jq -c .result`
# and RIPE's own Python parser (ripe.atlas.sagan) in part, for they are slow. Megabytes a second of CPU, peak memory, and
# how many times as fast lasthop is. A second argument names a file of real results to repeat.
#
# Needs jq, python3 with ripe.atlas.sagan (pip) and GNU time (Debian: jq, time); a reader that is not there is left out
# and said to be.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
megabytes=${1:-1024}
like=()
[ $# -lt 2 ] || like=(--like "$2")
python=${PYTHON:-python3}
command -v /usr/bin/time >/dev/null || { echo "install time first" >&2; exit 3; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

import=$(cd "$root" && cargo bench --no-run --bench import --message-format=json 2>/dev/null |
    sed -n 's/.*"name":"import".*"executable":"\([^"]*\)".*/\1/p' | tail -1)

measure() { # name, file, command…
    local name=$1 file=$2
    shift 2
    /usr/bin/time -f "%U %S %e %M" -o "$work/time" "$@" >/dev/null
    awk -v name="$name" -v bytes="$(stat -c %s "$file")" -v base="${base:-0}" '{
        cpu = $1 + $2
        rate = bytes / 1e6 / (cpu > 0 ? cpu : 0.01)
        printf "%-34s %7.0f MB %8.2f s CPU %8.2f s wall %8.1f MB/s %7.1f MB", name, bytes / 1e6, cpu, $3, rate, $4 / 1024
        if (base > 0) printf "   lasthop is x %.0f", base / rate
        print ""
    }' "$work/time"
    rate=$(awk -v bytes="$(stat -c %s "$file")" '{ print bytes / 1e6 / ($1 + $2 > 0 ? $1 + $2 : 0.01) }' "$work/time")
}

"$import" write "$work/lines" --mb "$megabytes" "${like[@]}"
"$import" write "$work/list" --mb "$megabytes" --array "${like[@]}"
echo "$(nproc) CPUs; columns: file, CPU, wall, MB a second of CPU, peak memory"
base=0
measure "lasthop, one list" "$work/list" "$import" read "$work/list"
rm "$work/list"
measure "lasthop, one a line" "$work/lines" "$import" read "$work/lines"
base=$rate
head -c 64M "$work/lines" | sed '$d' >"$work/some"
head -c 8M "$work/lines" | sed '$d' >"$work/few"
if command -v jq >/dev/null; then
    measure "jq -c .result" "$work/some" jq -c .result "$work/some"
else
    echo "jq is not there: left out"
fi
if "$python" -c 'import ripe.atlas.sagan' 2>/dev/null; then
    cat >"$work/sagan.py" <<'PYTHON'
import sys
from ripe.atlas.sagan import TracerouteResult

replies = 0
for line in open(sys.argv[1]):
    for hop in TracerouteResult(line).hops:
        replies += sum(1 for packet in hop.packets if packet.origin)
print(replies)
PYTHON
    measure "ripe.atlas.sagan" "$work/few" "$python" "$work/sagan.py" "$work/few"
else
    echo "ripe.atlas.sagan is not there: left out"
fi
