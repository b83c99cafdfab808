"""What RFC 9568 (with its errata) demands, in our words: an id, the strength, and the tests for and against.

Data, not tests: `tools/compliance.py` renders docs/rfc9568.md from it, `test_requirements.py` keeps both honest.
The last number of an id is ours; section numbers are those of the RFC. A test is "FILE::FUNCTION" or
"FILE::FUNCTION[PARAMETER]"; `rows` are those of rows.py. `why` says why something is otherwise here, or not at all.
"""

from dataclasses import dataclass
from typing import Literal

Strength = Literal["MUST", "MUST NOT", "SHOULD", "SHOULD NOT", "MAY"]

ROWS = "tests/rfc/test_rfc9568_6_4.py::test_row"
CHECKS = "tests/rfc/test_rfc9568_7_1.py"
CODEC = "tests/unit/vrrp/test_advertisement.py"
SPEAKER = "tests/unit/vrrp/test_speaker.py"
PATHS = "tests/unit/vrrp/test_speaker_paths.py"
SETTINGS = "tests/unit/vrrp/test_settings.py"
RECEPTION = "tests/unit/vrrp/test_reception.py"
SOCKET = "tests/unit/linux/test_vrrp_socket.py"
ANNOUNCE = "tests/unit/linux/test_announce.py"
TIMERS = "tests/unit/vrrp/test_timers.py"
FAMILIES = "tests/netns/test_families.py"
MAC = "tests/netns/test_virtual_mac.py"
PROCESS = "tests/netns/test_vrrp_process.py"
CONFIG = "tests/unit/config"


@dataclass(frozen=True, slots=True)
class Requirement:
    id: str
    strength: Strength
    text: str
    positive: tuple[str, ...] = ()  # it is so
    negative: tuple[str, ...] = ()  # the contrary is refused, or does not happen
    why: str = ""


def rows(*ids: str) -> tuple[str, ...]:
    return tuple(f"{ROWS}[{each}]" for each in ids)


def of(file: str, *functions: str) -> tuple[str, ...]:
    return tuple(f"{file}::{each}" for each in functions)


def result(*vectors: str) -> tuple[str, ...]:
    return tuple(f"{CHECKS}::test_result_and_reason[{each}]" for each in vectors)


REQUIREMENTS = (
    # --------------------------------------------------------------------------------- 1.5, 5.1 the envelope
    Requirement("RFC9568-1.5-1", "MUST", "Virtual routers of IPv4 and IPv6 are separate, also with the same VRID.",
        of(FAMILIES, "test_one_vrid_in_both_families_moves_separately"),
        of(PATHS, "test_one_vrid_in_both_families_is_two_routers")),
    Requirement("RFC9568-5.1.1.1-1", "MUST", "The IPv4 source is the primary address of the interface.",
        of(SETTINGS, "test_the_primary_address_is_the_first_that_is_not_virtual"),
        of(SETTINGS, "test_faults_of_the_interface")),
    Requirement("RFC9568-5.1.1.2-1", "MUST", "The IPv4 destination is 224.0.0.18.",
        of(SOCKET, "test_scapy_reads_the_header"), of(RECEPTION, "test_refused")),
    Requirement("RFC9568-5.1.1.3-1", "MUST", "The TTL is 255.",
        of(SOCKET, "test_scapy_reads_the_header"), result("v3_ttl_254")),
    Requirement("RFC9568-5.1.1.3-2", "MUST", "A packet with another TTL is discarded.",
        result("v3_ttl_254"), of(CODEC, "test_a_router_with_unicast_peers_may_ask_for_less_than_255"),
        why="With `unicast_peers`, which the RFC does not have, the TTL is `minimum_ttl`."),
    Requirement("RFC9568-5.1.1.4-1", "MUST", "The IPv4 protocol number is 112.",
        of(SOCKET, "test_scapy_reads_the_header"), of(PROCESS, "test_a_clean_stop_says_priority_0")),
    Requirement("RFC9568-5.1.2.1-1", "MUST", "The IPv6 source is a link-local address of the interface.",
        of(FAMILIES, "test_announced_by_neighbor_advertisements"),
        of(SETTINGS, "test_an_ipv6_router_waits_for_its_link_local_address",
           "test_a_virtual_link_local_address_is_no_source")),
    Requirement("RFC9568-5.1.2.2-1", "MUST", "The IPv6 destination is ff02::12.",
        of(SOCKET, "test_scapy_reads_the_ipv6_header"), of(RECEPTION, "test_refused")),
    Requirement("RFC9568-5.1.2.3-1", "MUST", "The hop limit is 255; a packet with another one is discarded.",
        of(FAMILIES, "test_announced_by_neighbor_advertisements"), of(RECEPTION, "test_refused")),
    Requirement("RFC9568-5.1.2.4-1", "MUST", "The IPv6 next header is 112.",
        of(SOCKET, "test_scapy_reads_the_ipv6_header"),
        of(SOCKET, "test_without_hop_limit_or_destination_there_is_no_datagram")),
    # ------------------------------------------------------------------------------------------- 5.2 the fields
    Requirement("RFC9568-5.2.1-1", "MUST", "The version is 3; other versions are discarded.",
        of(CODEC, "test_scapy_reads_ours"), result("v3_version_4", "v2_on_v3_instance")),
    Requirement("RFC9568-5.2.2-1", "MUST", "A packet of an unknown type is discarded.",
        of(CODEC, "test_scapy_reads_ours"), result("v3_type_2")),
    Requirement("RFC9568-5.2.3-1", "MUST", "The VRID is 1 to 255.",
        of(CODEC, "test_round_trip"), of(CHECKS, "test_discards_behind_a_valid_checksum")),
    Requirement("RFC9568-5.2.4-1", "MUST", "The owner of the addresses has priority 255.",
        of(SPEAKER, "test_the_owner_starts_active"), of(SETTINGS, "test_terms_add_up_within_1_and_254")),
    Requirement("RFC9568-5.2.4-2", "MUST", "Other routers have priorities 1 to 254.",
        of(SETTINGS, "test_terms_add_up_within_1_and_254"), rows("6.4.1 254 is no owner")),
    Requirement("RFC9568-5.2.4-3", "MUST", "Priority 0 says that the Active router stops to take part.",
        of(PROCESS, "test_a_clean_stop_says_priority_0"), of(SPEAKER, "test_priority_0_is_sent_once")),
    Requirement("RFC9568-5.2.5-1", "MUST", "The count is that of the addresses, at least 1 (erratum 8299).",
        of(CODEC, "test_scapy_reads_ours"), result("v3_count_0", "v3_count_2_but_1_address")),
    Requirement("RFC9568-5.2.6-1", "MUST", "The reserved bits are zero when sent.",
        of(CODEC, "test_scapy_reads_ours"), of(CHECKS, "test_reserved_nibble_is_no_part_of_the_interval")),
    Requirement("RFC9568-5.2.6-2", "SHOULD", "The reserved bits are ignored when received.",
        result("v3_rsvd_nibble_set"), of(CHECKS, "test_reserved_nibble_is_no_part_of_the_interval")),
    Requirement("RFC9568-5.2.7-1", "MUST", "An interval of zero is discarded (erratum 8301).",
        of(CODEC, "test_round_trip"), of(CHECKS, "test_discards_behind_a_valid_checksum")),
    Requirement("RFC9568-5.2.8-1", "MUST", "Over IPv4 the checksum covers the VRRP message alone.",
        of(CODEC, "test_known_answers"), result("v3_bad_checksum"),
        why="The form with a pseudo-header, which keepalived and FRR send, is accepted, told apart, and answered."),
    Requirement("RFC9568-5.2.8-2", "MUST", "Over IPv6 the checksum covers the pseudo-header too.",
        of(CODEC, "test_encodes_the_captured_ipv6_bytes"), of(CODEC, "test_over_ipv6_the_pseudo_header_is_a_must")),
    Requirement("RFC9568-5.2.9-1", "MUST", "The addresses are of the family of the IP header.",
        of(CODEC, "test_ipv6_round_trip"), of(f"{CONFIG}/test_router_checks.py", "test_wrong[both families]")),
    Requirement("RFC9568-5.2.9-2", "MUST", "Over IPv6 the first address is the virtual router's link-local one.",
        of(CODEC, "test_encodes_the_captured_ipv6_bytes"),
        of(f"{CONFIG}/test_router_checks.py", "test_right[a global address first]"),
        why="The order is the configuration's. A global address alone is allowed, as keepalived and FRR do it: a"
            " director's clients use the address of a service, not of a gateway."),
    # ------------------------------------------------------------------------------------------ 6.1 parameters
    Requirement("RFC9568-6.1-1", "MUST", "Skew_Time is ((256 - Priority) * Active_Adver_Interval) / 256.",
        of(TIMERS, "test_check_values"),
        of(TIMERS, "test_the_higher_priority_is_the_sooner_down_to_the_shortest_interval")),
    Requirement("RFC9568-6.1-2", "MUST", "Active_Down_Interval is 3 * Active_Adver_Interval + Skew_Time.",
        of(TIMERS, "test_check_values"), rows("6.4.2 too early")),
    Requirement("RFC9568-6.1-3", "MUST", "The owner of the addresses preempts, whatever Preempt_Mode is.",
        rows("6.1 the owner always preempts"), rows("6.4.2 lower, no preemption")),
    Requirement("RFC9568-6.1-4", "MUST NOT", "A router that is not the owner accepts packets to the virtual addresses"
        " unless Accept_Mode is true.", why="Accept_Mode is true throughout: IPVS takes packets up on their way to"
        " local delivery, so a director that accepted none would serve nobody."),
    # ------------------------------------------------------------------------------------------ 6.4.1 Initialize
    Requirement("RFC9568-6.4.1-1", "MUST", "At a startup the owner sends an advertisement, announces, and is Active.",
        rows("6.4.1 owner starts"), rows("6.4.1 254 is no owner")),
    Requirement("RFC9568-6.4.1-2", "MUST", "At a startup any other router waits an Active_Down_Interval as Backup.",
        rows("6.4.1 others start", "6.4.1 starts with its own interval"), rows("6.4.2 too early")),
    Requirement("RFC9568-6.4.1-3", "MUST NOT", "In Initialize advertisements have an effect.",
        rows("6.4.1 deaf", "6.4.1 deaf to priority 0"), rows("6.4.2 higher")),
    # ---------------------------------------------------------------------------------------------- 6.4.2 Backup
    Requirement("RFC9568-6.4.2-1", "MUST NOT", "A Backup router answers ARP for the virtual IPv4 addresses.",
        of("tests/netns/test_interop_matrix.py", "test_one_owner_after_every_step"),
        of(PROCESS, "test_kill_9_is_taken_over_and_the_left_over_address_is_swept")),
    Requirement("RFC9568-6.4.2-2", "MUST NOT", "A Backup router answers neighbor solicitations for the virtual IPv6"
        " addresses.", of("tests/netns/test_interop_matrix.py", "test_one_owner_after_every_step"),
        of(FAMILIES, "test_one_vrid_in_both_families_moves_separately")),
    Requirement("RFC9568-6.4.2-3", "MUST NOT", "A Backup router sends router advertisements for the virtual router.",
        why="No router advertisements are sent in any state: a director is no IPv6 router for its clients."),
    Requirement("RFC9568-6.4.2-4", "MUST", "A Backup router discards frames to the virtual router's MAC address.",
        of(MAC, "test_one_mac_address_before_and_after_a_takeover_and_a_mute_backup"), of(MAC, "test_a_split_heals"),
        why="With `virtual_mac = true` the interface that has it is down. Without, the default, there is none."),
    Requirement("RFC9568-6.4.2-5", "MUST NOT", "A Backup router accepts packets to the virtual addresses.",
        of("tests/unit/vrrp/test_router.py", "test_addresses_follow_the_state"),
        of(PROCESS, "test_election_and_what_the_director_hears")),
    Requirement("RFC9568-6.4.2-6", "MUST", "At a shutdown the Active_Down_Timer ends, and the state is Initialize.",
        rows("6.4.2 shutdown"), rows("6.4.1 no time")),
    Requirement("RFC9568-6.4.2-7", "MUST", "When the Active_Down_Timer fires: send an advertisement, announce every"
        " address, start the Adver_Timer, be Active.",
        rows("6.4.2 Active_Down_Timer", "6.4.2 Active_Down_Timer, late"), rows("6.4.2 too early")),
    Requirement("RFC9568-6.4.2-8", "MUST", "Over IPv4 the announcement is gratuitous ARP (errata 7947, 7949).",
        of(ANNOUNCE, "test_the_reference_frame", "test_the_captured_frames"),
        of(ANNOUNCE, "test_no_ethernet_nobody_to_tell")),
    Requirement("RFC9568-6.4.2-9", "MUST", "Over IPv6 it is an unsolicited neighbor advertisement with R and O set and"
        " S clear.", of(ANNOUNCE, "test_the_captured_frames"),
        of(ANNOUNCE, "test_scapy_reads_an_unsolicited_advertisement"),
        why="R is set where the kernel forwards IPv6 on the interface, and it says just that (RFC 4861 section 4.4), as"
            " with keepalived."),
    Requirement("RFC9568-6.4.2-10", "MUST", "Over IPv6 the solicited-node group of each address is joined.",
        of(FAMILIES, "test_virtual_addresses_of_ipv6_are_usable_at_once_and_never_a_source"),
        of(FAMILIES, "test_one_vrid_in_both_families_moves_separately"),
        why="The kernel does so when the address is added, and leaves it when it is deleted."),
    Requirement("RFC9568-6.4.2-11", "MUST", "An advertisement of priority 0 sets the Active_Down_Timer to Skew_Time.",
        rows("6.4.2 priority 0", "6.4.2 priority 0 without preemption"), rows("6.4.1 deaf to priority 0")),
    Requirement("RFC9568-6.4.2-12", "MUST", "An equal or higher priority sets it to Active_Down_Interval.",
        rows("6.4.2 higher", "6.4.2 equal, lower address", "6.4.2 equal, greater address"),
        rows("6.4.2 lower, preempt: discarded")),
    Requirement("RFC9568-6.4.2-13", "MUST", "So does any priority while Preempt_Mode is false.",
        rows("6.4.2 lower, no preemption", "6.4.2 lower, no preemption, learns"),
        rows("6.1 the owner always preempts")),
    Requirement("RFC9568-6.4.2-14", "MUST", "The sender's interval is learned, and Skew_Time computed anew.",
        rows("6.4.2 learns the interval, for the skew too"), rows("6.4.2 lower, preempt: discarded")),
    Requirement("RFC9568-6.4.2-15", "MUST", "A lower priority is discarded while Preempt_Mode is true.",
        rows("6.4.2 lower, preempt: discarded"), rows("6.4.2 lower, no preemption")),
    # ---------------------------------------------------------------------------------------------- 6.4.3 Active
    Requirement("RFC9568-6.4.3-1", "MUST", "An Active router answers ARP for the virtual IPv4 addresses.",
        of("tests/netns/test_interop_matrix.py", "test_one_owner_after_every_step"),
        of(PROCESS, "test_a_cut_link_and_its_healing")),
    Requirement("RFC9568-6.4.3-2", "MUST", "An Active router answers neighbor solicitations for the virtual IPv6"
        " addresses.", of(FAMILIES, "test_virtual_addresses_of_ipv6_are_usable_at_once_and_never_a_source"),
        of(FAMILIES, "test_one_vrid_in_both_families_moves_separately")),
    Requirement("RFC9568-6.4.3-3", "MUST", "The answers carry the virtual router's MAC address.",
        of(MAC, "test_one_mac_address_before_and_after_a_takeover_and_a_mute_backup"),
        of(MAC, "test_advertisements_and_announcements_come_from_it_and_nothing_else_for_it"),
        why="With `virtual_mac = true`. By default the interface's own MAC address answers, and announcements move"
            " it."),
    Requirement("RFC9568-6.4.3-4", "MUST", "An Active router sends router advertisements for the virtual router.",
        why="A director is no IPv6 router for its clients; a router advertisement daemon is."),
    Requirement("RFC9568-6.4.3-5", "MUST", "At a shutdown: send priority 0, then Initialize.",
        rows("6.4.3 shutdown", "6.4.3 the owner's shutdown"), rows("6.4.2 shutdown")),
    Requirement("RFC9568-6.4.3-6", "MUST", "When the Adver_Timer fires: send an advertisement and start it again.",
        rows("6.4.3 Adver_Timer", "6.4.3 Adver_Timer, our own interval"), rows("6.4.3 too early")),
    Requirement("RFC9568-6.4.3-7", "MUST", "At an advertisement of priority 0: the same.",
        rows("6.4.3 priority 0", "6.4.3 priority 0, our own interval"), rows("6.4.1 deaf to priority 0")),
    Requirement("RFC9568-6.4.3-8", "MUST", "At a higher priority: learn the interval, be Backup.",
        rows("6.4.3 higher", "6.4.3 higher, learns the interval", "6.4.3 preemption is not asked"),
        rows("6.4.3 lower, greater address")),
    Requirement("RFC9568-6.4.3-9", "MUST", "At an equal priority and a greater address (unsigned, in network order):"
        " the same.", rows("6.4.3 equal, greater address", "6.4.3 the tie-break is unsigned, in network order"),
        rows("6.4.3 equal, lower address", "6.4.3 equal, equal address")),
    Requirement("RFC9568-6.4.3-10", "MUST", "Anything else is discarded, and an advertisement sent at once.",
        rows("6.4.3 equal, lower address", "6.4.3 lower, greater address", "6.4.3 lower, our own interval"),
        rows("6.4.3 higher")),
    # ------------------------------------------------------------------------------------------- 7.1 receiving
    Requirement("RFC9568-7.1-1", "MUST", "The TTL or hop limit is verified first.",
        of(CHECKS, "test_order_of_the_checks"), result("v3_ttl_254")),
    Requirement("RFC9568-7.1-2", "MUST", "The version is verified.",
        result("v3_prio_255"), result("v3_version_4", "v2_on_v3_instance")),
    Requirement("RFC9568-7.1-3", "MUST", "The type is verified to be 1.", result("v3_prio_255"), result("v3_type_2")),
    Requirement("RFC9568-7.1-4", "MUST", "The packet is verified to be complete.",
        of(CHECKS, "test_padding_is_cut_by_the_total_length"),
        result("v3_truncated_address", "v3_header_only_4_bytes", "v3_trailing_garbage_8")),
    Requirement("RFC9568-7.1-5", "MUST", "The checksum is verified.",
        of(CHECKS, "test_real_frames_are_accepted_and_their_form_told_apart"),
        (*result("v3_bad_checksum"), *of(CODEC, "test_a_flipped_bit_in_the_header_never_passes"))),
    Requirement("RFC9568-7.1-6", "MUST", "The VRID is verified to be configured on the interface.",
        of(SPEAKER, "test_one_vrid_on_two_interfaces_is_two_routers"), result("v3_vrid_unknown")),
    Requirement("RFC9568-7.1-7", "MUST", "A packet that fails a check is discarded.",
        of(SPEAKER, "test_discards_are_counted_by_interface_and_reason"),
        of(PROCESS, "test_garbage_on_the_wire_is_counted")),
    Requirement("RFC9568-7.1-8", "SHOULD", "A failed check is logged, at a limited rate.",
        of(PATHS, "test_another_version_is_not_heard_and_that_is_said"),
        of(PATHS, "test_another_interval_is_said_again_after_the_takeover"),
        why="Each is counted by its reason. A sentence goes to the history where a configuration can cure it: once for"
            " each reason between two transitions."),
    Requirement("RFC9568-7.1-9", "MAY", "The list of addresses is compared; a difference is logged, not a discard.",
        result("v3_address_list_differs", "v3_address_count_differs"),
        of(SPEAKER, "test_the_order_of_the_addresses_is_no_mismatch")),
    Requirement("RFC9568-7.1-10", "SHOULD", "A different interval is logged.",
        of(CHECKS, "test_accepted_differences_are_counted"), of(SPEAKER, "test_counters"),
        why="It is counted (interval_mismatches)."),
    Requirement("RFC9568-7.1-11", "SHOULD", "An owner processes another owner's advertisements (erratum 8298).",
        rows("6.4.2 another owner"), rows("6.1 the owner always preempts")),
    # -------------------------------------------------------------------------------------------- 7.2 sending
    Requirement("RFC9568-7.2-1", "MUST", "Fields are filled in with the router's state, and the checksum computed.",
        of(CODEC, "test_encodes_the_captured_bytes", "test_encodes_the_captured_ipv6_bytes"),
        of(SPEAKER, "test_messages_are_prepared")),
    Requirement("RFC9568-7.2-2", "MUST", "The frame's source is the virtual router's MAC address.",
        of(MAC, "test_advertisements_and_announcements_come_from_it_and_nothing_else_for_it"),
        of(MAC, "test_one_mac_address_before_and_after_a_takeover_and_a_mute_backup"),
        why="With `virtual_mac = true`, for multicast. By default not, as with keepalived without `use_vmac`: switches"
            " learn from announcements instead."),
    # ------------------------------------------------------------------------------------------ 8 operation
    Requirement("RFC9568-8.2.2-1", "SHOULD NOT", "Duplicate address detection runs for an owned virtual address: the"
        " previous Active router may answer.",
        of(FAMILIES, "test_virtual_addresses_of_ipv6_are_usable_at_once_and_never_a_source"),
        of("tests/unit/linux/test_rtnetlink.py", "test_an_added_ipv6_address_is_usable_at_once_and_no_source")),
    Requirement("RFC9568-8.2.2-2", "MUST NOT", "An IPv6 interface identifier is made from the virtual MAC address.",
        of("tests/unit/linux/test_macvlan.py", "test_parameters"),
        of(MAC, "test_no_address_is_made_from_it"),
        why="With `virtual_mac = true`; by default no interface has that MAC address."),
    Requirement("RFC9568-8.3.1-1", "SHOULD NOT", "Packets to the virtual address are forwarded by a router that is not"
        " its owner.", why="They are delivered: the address is on the interface."),
    Requirement("RFC9568-8.4-1", "MAY", "Versions 2 and 3 are spoken at once while a network is moved.",
        of(PATHS, "test_two_routers_of_version_2_elect"),
        of(PATHS, "test_another_version_is_not_heard_and_that_is_said"),
        why="One router speaks one version, as in keepalived and FRR."),
)  # fmt: skip
