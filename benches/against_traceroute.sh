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
stem=lb$$
hops=11
last=$((hops + 1))
work=$(mktemp -d)

cleanup() {
    # The listeners are the only processes there, and ours.
    for n in "$last" n; do ip netns pids "$stem-$n" 2>/dev/null | xargs -r kill 2>/dev/null || true; done
    for n in $(seq 0 "$last") n; do ip netns del "$stem-$n" 2>/dev/null || true; done
    rm -rf "$work"
}
trap cleanup EXIT

in_ns() { local n=$1; shift; ip netns exec "$stem-$n" "$@"; }

limits() { # ratelimit in ms, messages a second
    for n in $(seq 1 "$hops"); do
        in_ns "$n" sysctl -qw net.ipv4.icmp_ratelimit="$1" net.ipv4.icmp_msgs_per_sec="$2" net.ipv4.icmp_msgs_burst="$3"
    done
}

for n in $(seq 0 "$last") n; do
    ip netns add "$stem-$n"
    in_ns "$n" sysctl -qw net.ipv4.ip_forward=1 net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.default.rp_filter=0
    ip -n "$stem-$n" link set lo up
done
# Routers 1 to 11 between the prober (0) and the target (12); the reference (n) hangs on the last router, too.
for n in $(seq 0 "$hops"); do
    ip -n "$stem-$n" link add eth-r index $((n + 100)) type veth peer name eth-l netns "$stem-$((n + 1))"
    ip -n "$stem-$n" addr add "10.1.$n.1/30" dev eth-r
    ip -n "$stem-$((n + 1))" addr add "10.1.$n.2/30" dev eth-l
    ip -n "$stem-$n" link set eth-r up
    ip -n "$stem-$((n + 1))" link set eth-l up
done
ip -n "$stem-$hops" link add eth-n index 90 type veth peer name eth-l netns "$stem-n"
ip -n "$stem-$hops" addr add 10.1.90.1/30 dev eth-n
ip -n "$stem-n" addr add 10.1.90.2/30 dev eth-l
ip -n "$stem-$hops" link set eth-n up
ip -n "$stem-n" link set eth-l up
for n in $(seq 0 "$hops"); do
    ip -n "$stem-$n" route add default via "10.1.$n.2"
    if [ "$n" -gt 0 ]; then ip -n "$stem-$n" route replace 10.1.0.0/30 via "10.1.$((n - 1)).1" 2>/dev/null || true; fi
done
ip -n "$stem-$last" route add default via "10.1.$hops.1"
ip -n "$stem-n" route add default via 10.1.90.1
target=10.1.$hops.2
reference=10.1.90.2
for n in "$last" n; do
    in_ns "$n" timeout 600 python3 -c '
import socket, time
s = socket.create_server(("0.0.0.0", 25)); time.sleep(590)' >/dev/null 2>&1 &
done
sleep 1
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
printf 'table ip t {\nchain f {\ntype filter hook forward priority 0;\nip daddr %s drop\n}\n}\n' "$target" |
    in_ns 4 nft -f -
row hop4 3
limits 1000 1000 50
row limited 1
