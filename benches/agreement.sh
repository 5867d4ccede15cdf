#!/usr/bin/env bash
# Do other readers find the same ASes? A million addresses of each source, held against libmaxminddb, mmdblookup and pyasn.
#
#     benches/agreement.sh [COUNT] [FIXTURES] [DATA]
#
# COUNT: addresses of each source (a million). FIXTURES: a folder with samples in mmdb/ and pfx2as/. DATA: the folder with the
# text files that the shipped table was built from. Needs python3 with pyasn and maxminddb, and mmdblookup: on Debian
# python3-pyasn, python3-maxminddb, mmdb-bin (LASTHOP_PYTHON names another python3). Some minutes; an exit status of 1 when an
# address differs.
set -euo pipefail
cd "$(dirname "$0")/.."
count=${1:-1000000}
fixtures=${2:-}
data=${3:-}
python=${LASTHOP_PYTHON:-/usr/bin/python3}
cargo build --release --quiet --locked
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cargo run --release --quiet --locked --example export_table -- "$work"
cases=("mmdb@shipped:$work/table.mmdb" "pfx2as@shipped:$work/table.pfx2as" "mmdb:$work/table.mmdb" "pfx2as:$work/table.pfx2as")
if [ -n "$fixtures" ]; then
    for file in "$fixtures"/mmdb/*.mmdb; do cases+=("mmdb:$file"); done
    for file in "$fixtures"/pfx2as/*.gz; do cases+=("pfx2as:$file"); done
fi
if [ -n "$data" ]; then cases+=("shipped:$data"); fi
# In turn, so that a machine with little memory does it as well.
bad=0
for case in "${cases[@]}"; do
    "$python" benches/agreement.py target/release/lasthop "$count" 1 "$case" || bad=$?
done
exit "$bad"
