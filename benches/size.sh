#!/usr/bin/env bash
# What it costs to have the program: size, start, crates, and (asked for) a cold build, beside mtr and trippy.
#
#   benches/size.sh [--binary FILE] [--trip FILE] [--cold]
#
# --binary is the program as it is shipped [packaging/compile makes it in target/package]; --trip is trippy's, as
# `cargo install trippy` makes it [trip in PATH; left out where there is none]; --cold builds everything anew in an empty folder on
# two processors, some minutes, and means something only on an idle machine. mtr is the one in PATH. Times are the least of
# 15 runs: a machine with other work makes them longer, never shorter.
set -euo pipefail
cd "$(dirname "$0")/.."
binary='' trip=$(command -v trip || true) cold=''
while [ $# -gt 0 ]; do
    case $1 in
    --binary) binary=$(realpath "$2") && shift 2 ;;
    --trip) trip=$(realpath "$2") && shift 2 ;;
    --cold) cold=1 && shift ;;
    *) sed -n '2,9s/^# \{0,1\}//p' "$0" >&2 && exit 2 ;;
    esac
done
if [ -z "$binary" ]; then eval "$(packaging/compile . target/package)"; fi
mtr=$(command -v mtr) || { echo "size: mtr is not installed" >&2 && exit 3; }
mtr=$(realpath "$mtr")

python3 - "$binary" "$mtr" "${trip:-}" <<'P'
import os, subprocess, sys, tempfile, time

ours, mtr, trip = sys.argv[1:]

def least(*words):
    """Milliseconds of the quickest of 15."""
    times = []
    for _ in range(15):
        began = time.perf_counter()
        child = os.posix_spawn(words[0], words, os.environ, file_actions=[
            (os.POSIX_SPAWN_OPEN, 1, "/dev/null", os.O_WRONLY, 0), (os.POSIX_SPAWN_OPEN, 2, "/dev/null", os.O_WRONLY, 0)])
        _, status = os.waitpid(child, 0)
        times.append((time.perf_counter() - began) * 1000)
        if os.waitstatus_to_exitcode(status) != 0:
            sys.exit(f"size: {words} ended with {os.waitstatus_to_exitcode(status)}")
    return min(times)

def stripped(path):
    with tempfile.NamedTemporaryFile() as copy:
        subprocess.run(["strip", "-o", copy.name, path], check=True)
        return os.path.getsize(copy.name)

def libraries(path):
    """Bytes of the shared libraries that it needs, but those that every program has."""
    said = subprocess.run(["ldd", path], capture_output=True, text=True).stdout
    paths = [word for line in said.splitlines() for word in line.split() if word.startswith("/")]
    own = [one for one in paths if not any(part in one for part in ("/libc.so", "/ld-linux", "/libm.so", "/libgcc_s"))]
    return sum(os.path.getsize(os.path.realpath(one)) for one in own), len(own)

# mtr is two programs: one shows, one has the right to raw sockets.
packet = os.path.join(os.path.dirname(mtr), "mtr-packet")
rows = [("mtr", stripped(mtr) + stripped(packet), libraries(mtr), least(mtr, "--version"))]
if trip:
    rows.append(("trippy", stripped(trip), libraries(trip), least(trip, "--version")))
us = (stripped(ours), libraries(ours), least(ours, "--version"))
print(f"{'':8} {'binary':>10} {'libraries':>15} {'--version':>10}     ours in this one's: size, start")
for name, size, (more, count), start in [("lasthop", *us), *rows]:
    ratio = "" if name == "lasthop" else f"{us[0] / (size + more):13.2f} {us[2] / start:7.2f}"
    print(f"{name:8} {size / 1e6:7.2f} MB {more / 1e6:6.2f} MB in {count:2} {start:7.2f} ms {ratio}")
demo = least(ours, "demo")
print(f"demo     {demo:.1f} ms: a whole measurement in virtual time, table included")
data = os.path.getsize("data/asn.lht") + sum(one.stat().st_size for one in os.scandir("data/fonts"))
print(f"data     {data / 1e6:.2f} MB of the binary are the table of the Internet and the fonts of PDF reports")
P

crates() { cargo tree --locked --edges normal --prefix none "$@" | awk '{print $1}' | sort -u | wc -l; }
echo "crates   lasthop: $(crates)"
lock=$(find "${CARGO_HOME:-$HOME/.cargo}/registry/src" -maxdepth 2 -name 'trippy-[0-9]*' -type d 2>/dev/null | sort -V | tail -n 1)
if [ -n "$lock" ]; then
    # What `cargo install` builds; its folder is copied, since Cargo may want to write there.
    copy=$(mktemp -d)
    trap 'rm -rf "$copy"' EXIT
    cp -r "$lock/." "$copy/"
    echo "crates   trippy:  $(crates --manifest-path "$copy/Cargo.toml" --quiet)"
fi

if [ -n "$cold" ]; then
    folder=$(mktemp -d)
    trap 'rm -rf "$folder" "${copy:-}"' EXIT
    began=$SECONDS
    CARGO_TARGET_DIR=$folder timeout 3000 cargo build --release --locked --quiet --jobs 2
    echo "cold     lasthop: $((SECONDS - began)) s on two processors (load before: $(cut -d ' ' -f 1 /proc/loadavg))"
fi
