#!/usr/bin/env bash
# Writes the list of all public items of the library to docs/public-api.txt, or with --check says whether it is up to date.
# Needs a nightly toolchain (only it writes rustdoc's JSON) and cargo-public-api: cargo install cargo-public-api --locked
set -euo pipefail
cd "$(dirname "$0")/.."

for need in "cargo-public-api:cargo install cargo-public-api --locked" "rustup:https://rustup.rs"; do
    command -v "${need%%:*}" >/dev/null || { echo "public-api.sh: needs ${need%%:*}: ${need#*:}" >&2; exit 3; }
done
new=$(mktemp)
trap 'rm -f "$new"' EXIT
# Implementations that follow from others, and derived ones, are left out: they change with every compiler.
cargo public-api --all-features -sss >"$new"
case "${1:-}" in
    --check)
        diff -u docs/public-api.txt "$new" || { echo "public-api.sh: the list changed: docs/public-api.sh, and look at it in review" >&2; exit 1; }
        ;;
    "") cp "$new" docs/public-api.txt && wc -l docs/public-api.txt ;;
    *) echo "public-api.sh: '$1' is no word of it; --check, or nothing" >&2; exit 2 ;;
esac
