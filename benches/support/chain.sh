# A chain of 11 routers in network namespaces with no route out, to be sourced: the prober is namespace 0, the target ($target)
# is at hop 12, and the reference ($reference) hangs on the last router, too. Both listen on port 25. Needs root, iproute2,
# nftables and python3; removes what it made when the shell ends.
# The first two numbers of every address; networks that no table knows unless the caller has set others.
prefix=${prefix:-10.1}
stem=lb$$
hops=11
# How long the hosts listen, in seconds.
lifetime=${lifetime:-590}
last=$((hops + 1))
work=$(mktemp -d)

cleanup() {
    # The listeners are the only processes there, and ours.
    for n in "$last" n; do ip netns pids "$stem-$n" 2>/dev/null | xargs -r kill 2>/dev/null || true; done
    for n in $(seq 0 "$last") n; do ip netns del "$stem-$n" 2>/dev/null || true; done
    rm -rf "$work"
}
# Whoever has something of their own to tidy up calls it.
[ -n "$(trap -p EXIT)" ] || trap cleanup EXIT

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
    ip -n "$stem-$n" addr add "$prefix.$n.1/30" dev eth-r
    ip -n "$stem-$((n + 1))" addr add "$prefix.$n.2/30" dev eth-l
    ip -n "$stem-$n" link set eth-r up
    ip -n "$stem-$((n + 1))" link set eth-l up
done
ip -n "$stem-$hops" link add eth-n index 90 type veth peer name eth-l netns "$stem-n"
ip -n "$stem-$hops" addr add "$prefix.90.1/30" dev eth-n
ip -n "$stem-n" addr add "$prefix.90.2/30" dev eth-l
ip -n "$stem-$hops" link set eth-n up
ip -n "$stem-n" link set eth-l up
for n in $(seq 0 "$hops"); do
    ip -n "$stem-$n" route add default via "$prefix.$n.2"
    if [ "$n" -gt 0 ]; then ip -n "$stem-$n" route replace "$prefix.0.0/30" via "$prefix.$((n - 1)).1" 2>/dev/null || true; fi
done
ip -n "$stem-$last" route add default via "$prefix.$hops.1"
ip -n "$stem-n" route add default via "$prefix.90.1"
target=$prefix.$hops.2
reference=$prefix.90.2
for n in "$last" n; do
    in_ns "$n" timeout "$((lifetime + 10))" python3 -c "
import socket, time
s = socket.create_server(('0.0.0.0', 25)); time.sleep($lifetime)" >/dev/null 2>&1 &
done
sleep 1

# Everything to the target stops behind hop 4.
block() {
    printf 'table ip t {\nchain f {\ntype filter hook forward priority 0;\nip daddr %s drop\n}\n}\n' "$target" |
        in_ns 4 nft -f -
}

# And no more.
unblock() { in_ns 4 nft delete table ip t; }
