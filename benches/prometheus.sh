#!/usr/bin/env bash
# The figures of `lasthop watch` read by a real Prometheus, on loopback: its linter finds nothing, it scrapes them, and answers
# a question about them. Needs prometheus and promtool (Debian: prometheus) and curl; LASTHOP names the program.
set -euo pipefail
cd "$(dirname "$0")/.."
for tool in prometheus promtool curl; do
    command -v "$tool" >/dev/null || { echo "$tool is not here (Debian: apt-get install prometheus curl)" >&2; exit 2; }
done
lasthop=${LASTHOP:-target/release/lasthop}
[ -x "$lasthop" ] || { cargo build --release --quiet; lasthop=target/release/lasthop; }
work=$(mktemp -d)
pids=()
finish() {
    for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done
    for pid in "${pids[@]}"; do wait "$pid" 2>/dev/null || true; done
    rm -rf "$work"
}
trap finish EXIT

"$lasthop" watch --simulate blackhole --real-time --interval 1s --history "$work/h.db" --metrics=:0 --json \
    >"$work/events" 2>"$work/log" &
pids+=($!)
for _ in $(seq 100); do
    address=$(sed -n 's|^metrics: http://\(.*\)/metrics$|\1|p' "$work/log")
    [ -s "$work/events" ] && [ -n "$address" ] && break
    sleep 0.2
done
[ -s "$work/events" ] || { cat "$work/log" >&2; echo "no event after 20 s" >&2; exit 1; }

echo "== promtool check metrics"
curl -sf "http://$address/metrics" >"$work/page"
promtool check metrics <"$work/page"
echo "$(grep -c '^# TYPE' "$work/page") families, $(grep -vc '^#' "$work/page") series: clean"

echo "== a Prometheus that scrapes them"
cat >"$work/prometheus.yml" <<YML
global: {scrape_interval: 1s}
scrape_configs:
  - job_name: lasthop
    static_configs: [{targets: ["$address"]}]
YML
port=$((20000 + RANDOM % 20000))
prometheus --config.file="$work/prometheus.yml" --storage.tsdb.path="$work/tsdb" --web.listen-address="127.0.0.1:$port" \
    --log.level=error 2>"$work/prometheus.log" &
pids+=($!)
ask() { curl -sfG "http://127.0.0.1:$port/api/v1/query" --data-urlencode "query=$1" 2>/dev/null || true; }
for _ in $(seq 100); do
    answer=$(ask 'lasthop_target_state{state="lost"} == 1')
    case $answer in *'"target":"mx1.proton"'*) break ;; esac
    sleep 0.3
done
case $answer in
*'"target":"mx1.proton"'*) ;;
*) cat "$work/prometheus.log" >&2; echo "Prometheus does not know of it: $answer" >&2; exit 1 ;;
esac
case $(ask 'up{job="lasthop"}') in *'"1"]'*) ;; *) echo "the scrape fails" >&2; exit 1 ;; esac
case $(ask 'lasthop_target_lost_in_as_info') in *'"asn":"8359"'*) ;; *) echo "no network is named" >&2; exit 1 ;; esac
echo "scraped: the target is lost, in AS8359"
