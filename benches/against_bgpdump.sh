#!/usr/bin/env bash
# A routing dump of PREFIXES (default a million) from PEERS (default 10) to a table, beside `bgpdump -m` to text and
# bgpkit-parser's own reading of every element, one after the other: CPU and wall seconds, peak memory, and how many times
# as long the others take. bgpdump does less (it keeps nothing), bgpkit-parser about as much.
#
# Needs bgpdump and GNU time (Debian: bgpdump, time). bgpkit-parser is built apart, by cargo, from benches/bgpkit.
set -euo pipefail
cd "$(dirname "$0")/.."
prefixes=${1:-1000000}
peers=${2:-10}
for tool in bgpdump /usr/bin/time; do
    command -v "$tool" >/dev/null || { echo "install $tool first" >&2; exit 3; }
done
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

rib=$(cargo bench --quiet --no-run --bench rib --message-format=json |
    sed -n 's/.*"name":"rib".*"executable":"\([^"]*\)".*/\1/p' | tail -1)
[ -x "$rib" ] || { echo "cargo told of no executable for the bench \"rib\"" >&2; exit 1; }
cargo build --release --quiet --manifest-path benches/bgpkit/Cargo.toml
bgpkit=benches/bgpkit/target/release/bgpkit-peer

six=$((prefixes * 15 / 100))
routes=$("$rib" write "$work/rib" --four $((prefixes - six)) --six $six --peers "$peers")
echo "$prefixes prefixes, $routes routes, $(stat -c %s "$work/rib") bytes unpacked; $(nproc) CPUs"
gzip -1 -k "$work/rib"

measure() { # name, command…
    local name=$1
    shift
    # What a tool says is in nobody's way, unless it fails.
    if ! /usr/bin/time -f "%U %S %e %M" -o "$work/time" "$@" >/dev/null 2>"$work/said"; then
        echo "failed: $*" >&2
        cat "$work/said" >&2
        exit 1
    fi
    awk -v name="$name" -v base="${base:-0}" '{
        cpu = $1 + $2
        printf "%-34s %8.2f s CPU (%.2f user) %8.2f s wall %7.0f MB", name, cpu, $1, $3, $4 / 1024
        if (base > 0) printf "   x %.1f", cpu / base
        print ""
    }' "$work/time"
    cpu=$(awk '{ print $1 + $2 }' "$work/time")
}

for file in rib rib.gz; do
    echo "-- $file"
    base=0
    measure "lasthop, to origins and links" "$rib" read "$work/$file"
    base=$cpu
    measure "lasthop, to a table file" "$rib" read "$work/$file" --table "$work/out.lht"
    measure "bgpdump -m > /dev/null" bgpdump -m "$work/$file"
    measure "bgpdump -m -O file" bgpdump -m -O "$work/text" "$work/$file"
    rm -f "$work/text"
    if [ "$file" = rib ]; then
        measure "bgpkit-parser, elements and origins" "$bgpkit" "$work/$file"
    fi
done
