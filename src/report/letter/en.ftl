# The complaint in English. One message an utterance; the program puts them together (src/report/letter/mod.rs).
# Names of networks, hosts and addresses come from the evidence as they are.

subject = { $target } cannot be reached: where packets stop
subject-size = Packets of { $large } to { $target } do not arrive: where they stop
greeting = To { $to }
greeting-nobody = To the operations department

dear = Dear Sir or Madam,

tested =
    On { $when } packets were sent from { $source } to { $target }, and in turn with them, in an order drawn by lot, to { $count ->
        [one] a host beside it, { $references }
       *[other] { $count } hosts beside it, { $references }
    }: { $probes ->
        [one] one packet
       *[other] { $probes } packets
    } in { $seconds } s, { $how }.
tested-alone =
    On { $when } packets were sent from { $source } to { $target }: { $probes ->
        [one] one packet
       *[other] { $probes } packets
    } in { $seconds } s, { $how }.
tested-size =
    On { $when } packets of { $large } were sent from { $source } to { $target }, and in turn with them, in an order drawn by lot, packets of { $small } to the same host: { $probes ->
        [one] one packet
       *[other] { $probes } packets
    } in { $seconds } s, { $how }.
bytes = { $count } { $count ->
        [one] byte
       *[other] bytes
    }
how-tcp = by TCP to port { $port }
how-udp = by UDP to port { $port }
how-icmp = as ICMP echo requests
source-in = { $address } (in AS{ $asn })

place-between = behind router { $after } (hop { $after_ttl }) and before router { $before } (hop { $before_ttl })
place-before = before router { $before } (hop { $before_ttl })
place-after = behind router { $after } (hop { $after_ttl })
place-unknown = at a place that the measurement does not narrow down

finding-lost_inside_as = The packets to { $target } are lost inside { $networks }, { $place }.
finding-lost_at_as_border =
    The packets to { $target } are lost where { $networks } meet, { $place }; from outside it cannot be told on which side.
finding-lost_in_as_range =
    The packets to { $target } are lost { $place }. The routers there may belong to { $networks }; which of them it is cannot be told from here.
finding-destination_network =
    The packets to { $target } are lost in the destination's own network or at its edge, { $place }.
finding-host_or_return_path =
    The packets to { $target } arrive at every router that shows itself, the last { $place }; the host itself stays silent. It is down, or a filter drops the packets or its answers: from here these look alike.
finding-rejected = A device on the way refuses the packets to { $target } by ICMP. It stands { $place } and may belong to { $networks }.
finding-injected =
    Something on the way answers in the name of { $target }, { $place }. It may belong to { $networks }.
finding-intercepted =
    Something near the sender answers in the name of { $target } and of other hosts alike, so that nothing behind it can be seen.
finding-routing_fault = The packets to { $target } find no way on or go in circles, { $place }, where the routers may belong to { $networks }.
finding-partial =
    Some connections to { $target } are lost and others are not, always the same ones: one branch of a load balancer does not deliver. The place is { $place }, where the routers may belong to { $networks }.
finding-local = The packets to { $target } are lost { $place }: before the first public router, on the sender's own line.
finding-inconclusive = The measurement does not show where the packets to { $target } are lost.
finding-size = This is so of packets of { $large }. Packets of { $small } to the same host arrive.
networks-unknown = networks that the table does not name

evidence =
    At the router that decides, { $pairs ->
        [one] one pair
       *[other] { $pairs } pairs
    } of packets, one to each host, drew { $reference ->
        [0] no answer
        [one] one answer
       *[other] { $reference } answers
    } for the host beside it and { $answered ->
        [0] none
       *[other] { $answered }
    } for the host in question. If nothing were lost there, so uneven an outcome would have a chance of at most 1 in { $odds }.
evidence-size =
    At the router that decides, { $pairs ->
        [one] one pair
       *[other] { $pairs } pairs
    } of packets, one large and one small, drew { $reference ->
        [0] no answer
        [one] one answer
       *[other] { $reference } answers
    } for the small packets and { $answered ->
        [0] none
       *[other] { $answered }
    } for the large ones. If nothing were lost there, so uneven an outcome would have a chance of at most 1 in { $odds }.
scope-port = Another port of the same host is reached.
scope-protocol = The same host is reached by another protocol.
scope-prefix = Hosts beside it in the same prefix are lost as well.
certainty = The place is certain to { $location } %, its assignment to networks to { $attribution } %.
limit =
    This shows where packets stop. It does not show who ordered it: the operator, equipment imposed on it, or the destination network itself (for example by RFC 7999).

question-head = We ask you to answer in writing:
question-filter = Are packets to { $address } filtered, discarded (null route, RTBH, FlowSpec) or diverted in your network, or by equipment that stands in it?
question-size = Does every link in your network on the way to { $address } carry packets of { $large }? Where one does not: does the router before it say so by ICMP (RFC 1191, RFC 8201), and is that message let through?
question-since = Since when, on what ground and on whose order?
question-else = If not: at which of your routers do you see these packets arrive, and to whom do you hand them on?

check-head = What may be checked:
check-route = forwarding entries, filters and null routes for { $prefix } on the routers { $place }
check-trace = a traceroute to { $address } from that router, { $how }, and the same to { $reference }
check-trace-alone = a traceroute to { $address } from that router, { $how }
check-size = the MTU of the links { $place }, and filters there that drop large packets or ICMP messages
check-trace-size = a traceroute to { $address } from that router by packets of { $large }, { $how }, and the same by packets of { $small }
check-counters = counters of access lists and of filtering equipment while the measurement is repeated

annex-head = Annex: what was measured
annex-hop = hop
annex-target = target
annex-reference = reference
annex-small = small packets
annex-hint = answered/sent, best round trip in ms
annex-host = the host answers
table = Addresses were assigned to networks by { $origin } of { $date } (SHA-256 { $sha256 }).
table-undated = Addresses were assigned to networks by { $origin } (SHA-256 { $sha256 }).
made = Measured with { $tool } { $version }; the record with all packets can be had on request.

when = { $day } { $month ->
    [1] January
    [2] February
    [3] March
    [4] April
    [5] May
    [6] June
    [7] July
    [8] August
    [9] September
    [10] October
    [11] November
   *[12] December
} { $year }, { $time } UTC
when-local = { $utc } ({ $day } { $month ->
    [1] January
    [2] February
    [3] March
    [4] April
    [5] May
    [6] June
    [7] July
    [8] August
    [9] September
    [10] October
    [11] November
   *[12] December
}, { $time } local time, UTC{ $offset })
when-unknown = a day that the record does not tell
and = and
or = or
