#!/usr/bin/env python3
"""Holds lasthop's lookups against readers that have nothing to do with it, address by address.

    agreement.py PROGRAM COUNT SEED CASE...

A CASE is KIND:TABLE; COUNT addresses are asked of each: half of them drawn from the ranges in the table, half from the whole
space, in both families where the table has both.

    mmdb:FILE       libmaxminddb (its Python binding), and mmdblookup for a hundred of them
    pfx2as:FILE     pyasn, on the same prefixes
    mmdb@shipped:FILE, pfx2as@shipped:FILE
                    the same readers with a file that `examples/export_table.rs` has made of the table inside the program, and
                    that table
    shipped:FOLDER  the table inside the program, against the text files it was built from, read here line by line

Where a registry or the list of exchange LANs answers before the table (lasthop lays them over every table), the other reader
has nothing to compare with: these are counted apart. Ends with 1 if any other address differs, with 3 if a reader is missing.
"""

import bisect
import csv
import gzip
import ipaddress
import itertools
import json
import lzma
import os
import random
import subprocess
import sys
import tempfile

LAID_OVER = ("private", "reserved", "ixp")


def missing(what):
    print(f"missing: {what}")
    sys.exit(3)


def ask(program, table, addresses):
    """What lasthop says of each: its kind and origin ASes."""
    words = [program, "db", "lookup", "--json", "-"] + (["--db", table] if table else [])
    with tempfile.TemporaryFile("w+") as given, tempfile.TemporaryFile("w+") as said:
        given.writelines(f"{address}\n" for address in addresses)
        given.seek(0)
        subprocess.run(words, stdin=given, stdout=said, check=True)
        said.seek(0)
        for line in said:
            answer = json.loads(line)
            yield answer["kind"], answer["asns"]


def draw(dice, ranges, count):
    """Half within the ranges [(first, last)], half anywhere; of each family that the ranges have."""
    families = {}
    for first, last in ranges:
        families.setdefault(first.version, []).append((int(first), int(last)))
    kinds = {4: (ipaddress.IPv4Address, 32), 6: (ipaddress.IPv6Address, 128)}
    out = []
    for version, known in sorted(families.items()):
        make, bits = kinds[version]
        here = count // len(families)
        for place in range(here):
            if place % 2:
                out.append(make(dice.getrandbits(bits)))
            elif place % 8 == 0:
                # The ends, where mistakes are.
                out.append(make(dice.choice(dice.choice(known))))
            else:
                first, last = dice.choice(known)
                out.append(make(dice.randint(first, last)))
    return out


def compare(name, program, table, addresses, other):
    """`other` gives the origin ASes of an address."""
    same = laid = known = 0
    differ = []
    for address, (kind, asns) in zip(addresses, ask(program, table, addresses), strict=True):
        if kind in LAID_OVER:
            laid += 1
            continue
        expected = other(address)
        if asns == expected:
            same += 1
            known += bool(asns)
        else:
            differ.append((address, asns, expected))
    total = same + len(differ)
    print(f"{name}: {same} of {total} agree ({known} with an AS); {laid} answered by a registry or an exchange LAN")
    for address, ours, theirs in differ[:10]:
        print(f"  {address}: lasthop {ours}, the other {theirs}")
    if not known:
        print(f"  nothing was compared: no address of {name} has an AS")
    return bool(differ) or not known


def of_mmdb(program, path, dice, count, table):
    try:
        import maxminddb
        import maxminddb.extension  # libmaxminddb; without it the binding would be Python all the way
    except ImportError:
        missing("libmaxminddb's Python binding (python3-maxminddb)")
    reader = maxminddb.open_database(path, maxminddb.MODE_MMAP_EXT)

    def number(record):
        if not isinstance(record, dict):
            return None
        asn = record.get("autonomous_system_number", record.get("asn"))
        if isinstance(asn, str):
            asn = asn.upper().removeprefix("AS")
        return int(asn) if asn not in (None, "") else None

    def walk(make, at, bits):
        """From one network of the tree to the next, asking for the first address of each."""
        while at < 1 << bits:
            record, length = reader.get_with_prefix_len(str(make(at)))
            end = at | ((1 << (bits - length)) - 1)
            if number(record) is not None:
                yield make(at), make(end)
            at = end + 1

    ranges = list(walk(ipaddress.IPv4Address, 0, 32))
    if reader.metadata().ip_version == 6:
        # What is below is the IPv4 of before.
        ranges.extend(walk(ipaddress.IPv6Address, 1 << 32, 128))
    addresses = draw(dice, ranges, count)

    def other(address):
        # IPv4 inside IPv6 is what is inside, to lasthop; a tree may have aliases or nothing there.
        asn = number(reader.get(str(address)))
        return [] if asn in (None, 0) else [asn]

    name = os.path.basename(path)
    bad = compare(f"{name}, libmaxminddb", program, table, addresses, other)
    few = [address for address in addresses if other(address)][:100]

    def by_program(address):
        for words in (["autonomous_system_number"], ["asn"]):
            done = subprocess.run(
                ["mmdblookup", "--file", path, "--ip", str(address)] + words, capture_output=True, text=True)
            value = done.stdout.strip().split(" <")[0].strip('"').removeprefix("AS")
            if done.returncode == 0 and value:
                return [int(value)]
        return []

    try:
        return compare(f"{name}, mmdblookup", program, table, few, by_program) or bad
    except FileNotFoundError:
        missing("mmdblookup (mmdb-bin)")


def of_pfx2as(program, path, dice, count, table):
    try:
        import pyasn
    except ImportError:
        missing("pyasn (python3-pyasn)")
    opened = gzip.open(path, "rt") if path.endswith(".gz") else open(path)
    rows = {}
    with opened as lines:
        for line in lines:
            if line.startswith("#") or not line.strip():
                continue
            network, bits, origins = line.split()
            asns = [int(asn) for group in origins.split("_") for asn in group.split(",")]
            prefix = ipaddress.ip_network(f"{network}/{bits}", strict=False)
            those = rows.setdefault(prefix, [])
            those.extend(asn for asn in dict.fromkeys(asns) if asn not in those and asn != 0)
    # pyasn keeps one number a prefix: the place of its origins in this list.
    origins = list(rows.values())
    with tempfile.NamedTemporaryFile("w", suffix=".dat") as text:
        for place, prefix in enumerate(rows):
            text.write(f"{prefix}\t{place + 1}\n")
        text.flush()
        known = pyasn.pyasn(text.name)
    addresses = draw(dice, [(prefix[0], prefix[-1]) for prefix in rows], count)

    def other(address):
        place, _ = known.lookup(str(address))
        return [] if place is None else origins[place - 1]

    return compare(f"{os.path.basename(path)}, pyasn", program, table, addresses, other)


def of_shipped(program, folder, dice, count, _):
    bad = False
    for file, make in (("asn-ipv4-num.csv.xz", ipaddress.IPv4Address), ("asn-ipv6.csv.xz", ipaddress.IPv6Address)):
        number = int if "num" in file else lambda text: int(ipaddress.ip_address(text))
        rows = []
        with lzma.open(os.path.join(folder, file), "rt", encoding="utf-8", newline="") as lines:
            for first, last, asn, *_ in csv.reader(lines):
                rows.append((number(first), number(last), int(asn)))
        rows.sort()
        firsts = [row[0] for row in rows]
        # How far any row up to this one reaches: behind that, none before need be looked at.
        reach = list(itertools.accumulate((row[1] for row in rows), max))

        def other(address):
            """The narrowest row around it, of equals the later one."""
            place, best = bisect.bisect_right(firsts, int(address)) - 1, None
            while place >= 0 and reach[place] >= int(address):
                first, last, asn = rows[place]
                if last >= int(address) and (best is None or last - first < best[0]):
                    best = (last - first, asn)
                place -= 1
            return [] if best is None or best[1] == 0 else [best[1]]

        addresses = draw(dice, [(make(row[0]), make(row[1])) for row in rows], count)
        bad = compare(f"shipped table, {file}", program, None, addresses, other) or bad
    return bad


def main():
    program, count, seed, *cases = sys.argv[1:]
    readers = {"mmdb": of_mmdb, "pfx2as": of_pfx2as, "shipped": of_shipped}
    bad = False
    for case in cases:
        kind, path = case.split(":", 1)
        table = None if kind.endswith("@shipped") else path
        reader = readers[kind.removesuffix("@shipped")]
        bad = reader(program, path, random.Random(int(seed)), int(count), table) or bad
    sys.exit(1 if bad else 0)


main()
