"""What the systems that haagent succeeds do with IPVS or with an agent of their own, row by row, and the tests for it.

Data, not tests: `tools/anchors.py` renders docs/anchors.md from it, `tests/unit/test_anchors_page.py` keeps both
honest. A test is "FILE::FUNCTION". `why` says what is otherwise here, or what no test of ours plays.
"""

from dataclasses import dataclass

POOLS = "tests/kernel/inside_pools.py"
SERVICES = "tests/kernel/inside_services.py"
PEN = "tests/kernel/inside_pen.py"
DAEMON = "tests/kernel/inside_daemon.py"
DIRECT = "tests/kernel/inside_direct_routing.py"
MODES = "tests/kernel/inside_modes.py"
OPERATOR = "tests/kernel/inside_operator.py"
JUDGEMENT = "tests/kernel/inside_judgement.py"
BATCHES = "tests/kernel/inside_batches.py"
FAULTS = "tests/kernel/inside_faults.py"
LOAD = "tests/kernel/inside_reload_load.py"
RELOADS = "tests/kernel/inside_reloads.py"
CONFIG = "tests/unit/config/test_service_checks.py"
SNMP = "tests/netns/test_snmp.py"
TABLES = "tests/unit/test_core_tables.py"
PLAN = "tests/unit/ipvs/test_plan.py"


@dataclass(frozen=True, slots=True)
class Row:
    what: str  # in their words
    here: str  # how it is said here
    tests: tuple[str, ...] = ()
    why: str = ""


@dataclass(frozen=True, slots=True)
class Chapter:
    title: str
    rows: tuple[Row, ...]


def of(file: str, *functions: str) -> tuple[str, ...]:
    return tuple(f"{file}::{each}" for each in functions)


CHAPTERS = (
    Chapter(
        "PEN",
        (
            Row(
                "a pool of servers on ports of their own",
                "masquerading maps ports, direct routing refuses to",
                of(PEN, "test_thirty_requests_are_ten_for_each_and_the_logs_name_the_client")
                + of(POOLS, "test_round_robin_over_mapped_ports")
                + of(CONFIG, "test_wrong"),
            ),
            Row(
                "client memory (default), `-T`, `-c`",
                "`persistence_timeout`, `persistence_prefix`",
                of(
                    PEN,
                    "test_ten_requests_of_one_client_meet_one_server",
                    "test_pen_itself_and_the_service_share_alike",
                )
                + of(
                    POOLS, "test_a_client_stays_with_its_server", "test_a_client_may_move_once_its_persistence_ran_out"
                )
                + of(SERVICES, "test_persistence_by_prefix"),
                "The kernel's memory has no limit of entries.",
            ),
            Row(
                "`-r`",
                '`scheduler = "rr"`',
                of(PEN, "test_thirty_requests_are_ten_for_each_and_the_logs_name_the_client")
                + of(POOLS, "test_round_robin_over_mapped_ports"),
            ),
            Row(
                "`-h`",
                '`"mh"`, `"sh"`',
                of(
                    POOLS,
                    "test_a_hash_knows_a_client_across_a_restart_and_on_another_director",
                    "test_m7_one_canonical_order",
                ),
            ),
            Row("`-W`, weights", '`"wlc"`, `weight`', of(POOLS, "test_held_connections_follow_the_weights")),
            Row(
                "priorities",
                '`tier`, or `"fo"`',
                of(
                    POOLS,
                    "test_tiers_take_over_and_hand_back_without_a_refused_client",
                    "test_the_heaviest_serves_under_fo_and_the_next_one_when_it_is_gone",
                ),
            ),
            Row(
                "`max`, `hard`",
                "`upper_threshold`, `lower_threshold`",
                of(
                    SERVICES,
                    "test_thresholds_turn_new_connections_away",
                    "test_a_threshold_does_not_turn_persistent_clients_away",
                ),
                "The kernel has no hard limit: clients that persist still come.",
            ),
            Row(
                "`-s`, stubborn",
                "a hash without `fallback`, and no check",
                of(
                    POOLS,
                    "test_where_nobody_may_stand_in_the_clients_of_a_dead_server_are_refused_and_nobody_else",
                    "test_m6_weight_0_under_mh",
                ),
            ),
            Row(
                "`-e`, emergency server",
                "`sorry_server`, entered and left at the quorum",
                of(PEN, "test_the_emergency_server_answers_when_all_three_are_stopped")
                + of(
                    POOLS,
                    "test_the_sorry_server_comes_and_goes_without_a_refused_client",
                    "test_a_sorry_server_that_replaces_removed_servers_leaves_no_gap",
                ),
            ),
            Row(
                "`-B`, abuse server, lists by client and country",
                "a bare `firewall_mark`; the operator's nft sets it",
                of(SERVICES, "test_an_operators_set_of_clients_has_a_pool_of_its_own"),
            ),
            Row(
                "`-b`, `-t`, blacklist",
                "active checks with `fall` and `rise`, `damping`",
                of(PEN, "test_a_server_that_drops_all_syns_is_out_and_comes_back")
                + of(JUDGEMENT, "test_a_flapping_server_is_kept_out_with_the_sentence"),
                "No passive signal from the kernel's connections.",
            ),
            Row(
                "`-H`, X-Forwarded-For",
                "the packets keep the client's address, whatever a header says",
                of(PEN, "test_thirty_requests_are_ten_for_each_and_the_logs_name_the_client")
                + of(DIRECT, "test_servers_see_the_client_and_their_answers_pass_the_director_by")
                + of(MODES, "test_uploads_pass_a_tunnel_across_a_router"),
                "With nginx in the place of Apache.",
            ),
            Row(
                "`-U`, datagrams",
                "UDP services, `one_packet`, the check `dns`",
                of(
                    "tests/kernel/inside_dns_pool.py",
                    "test_a_broken_name_server_is_out_after_fall_probes_and_costs_no_query_from_then_on",
                )
                + of(
                    SERVICES,
                    "test_one_packet_scheduling_spreads_the_datagrams_of_one_client",
                    "test_names_are_asked_for_at_one_server_by_datagrams_and_by_connections",
                ),
            ),
            Row(
                "`-C`, penctl",
                "the control socket: `drain`, `disable`, `enable`, `weight`, `status`, `why`",
                of(
                    OPERATOR,
                    "test_a_drained_server_keeps_its_connection_and_gets_no_other",
                    "test_it_leaves_the_table_when_the_last_connection_is_gone",
                    "test_enable_brings_it_back",
                    "test_a_weight_that_ends_by_itself",
                )
                + of("tests/netns/test_daemon.py", "test_who_may_use_the_control_socket"),
            ),
            Row(
                "`-w`, a status page",
                "`haagent status --json`, SNMP",
                of(SNMP, "test_a_walk_is_the_snapshot_in_order")
                + of("tests/kernel/inside_ipvs.py", "test_counts_are_those_of_the_traffic")
                + of("tests/unit/cli/test_status.py", "test_json_is_the_snapshot"),
                "No web page.",
            ),
            Row(
                "TLS",
                "passed through; certificates are checked, with the days that are left",
                of("tests/unit/probes/test_tls.py", "test_dates_of_certificates")
                + of("tests/netns/test_probes_real.py", "test_https"),
            ),
            Row(
                "`-F`, HUP",
                "`haagent reload`",
                of(
                    LOAD,
                    "test_reloads_under_load_fail_no_request",
                    "test_a_director_that_dies_behind_a_message_of_a_reload_fails_no_request",
                )
                + of(FAULTS, "test_reloads_under_traffic_fail_no_request")
                + of(RELOADS, "test_a_thousand_reloads_leave_memory_and_descriptors_flat"),
            ),
            Row(
                "`dsr_if`",
                "direct routing: see below",
                of(DIRECT, "test_servers_see_the_client_and_their_answers_pass_the_director_by"),
            ),
            Row("`-x`, `-q`, `-m`: limits of the process", "-", (), "Not offered: the kernel forwards; nft can limit."),
        ),
    ),
    Chapter(
        "LVS: masquerading, direct routing, tunneling",
        (
            Row(
                "NAT",
                '`"masquerading"`, both addresses in a `virtual_router_group`',
                of("tests/kernel/inside_nat_pair.py", "test_outside_and_inside_move_together")
                + of(DAEMON, "test_clients_are_answered_through_another_port")
                + of("tests/unit/pool/test_sysctls.py", "test_masquerading_forwards_by_family"),
            ),
            Row(
                "DR",
                '`"direct_routing"`, `path_check`, `haagent recipe`',
                of(
                    DIRECT,
                    "test_half_broken_direct_routing_is_found_on_both_directors",
                    "test_an_arp_leak_is_named_with_the_server",
                    "test_servers_see_the_client_and_their_answers_pass_the_director_by",
                    "test_a_bare_server_is_named_and_the_recipe_makes_it_a_real_server",
                ),
            ),
            Row(
                "TUN",
                '`"tunneling"` by ipip, GUE and GRE',
                of(MODES, "test_uploads_pass_a_tunnel_across_a_router")
                + of(SERVICES, "test_tunnels_are_what_ipvsadm_calls_them")
                + of(DIRECT, "test_ipv6_and_tunnels_have_a_path_verdict_too"),
                "GRE is compared with ipvsadm's words; no traffic is sent through it.",
            ),
            Row("FTP", "the kernel's helper", of(MODES, "test_passive_ftp_through_the_kernels_helper")),
            Row(
                "persistence across ports",
                "`firewall_mark` with `persistence_timeout`",
                of(SERVICES, "test_a_firewall_mark_ties_ports_and_addresses_together", "test_all_ports_of_an_address"),
            ),
            Row("FULLNAT, SYNPROXY", "-", (), "Not offered: not in the kernel's IPVS."),
        ),
    ),
    Chapter(
        "BalanceNG",
        (
            Row(
                "round robin, weighted, hash",
                "`scheduler`: within 3 sigma over 10,000 flows",
                of(POOLS, "test_flows_are_shared_within_3_sigma"),
                "Random needs `twos`, which Debian 12's kernel lacks; `status` says so.",
            ),
            Row("least session", '`"lc"`, `"wlc"`', of(POOLS, "test_held_connections_follow_the_weights")),
            Row("least bandwidth", "-", (), "Not offered: no weights from the kernel's rates."),
            Row(
                "agents",
                "the checks `agent` (TCP and UDP) and `exec`, `dynamic_weight`",
                of(PEN, "test_an_agent_halves_its_weight_and_what_it_said_last_stands")
                + of("tests/netns/test_probes_real.py", "test_agent")
                + of("tests/unit/probes/test_datagrams.py", "test_the_agents_datagram")
                + of(JUDGEMENT, "test_a_program_says_which_share_its_server_can_bear"),
                "An agent that falls silent fails its check: the weight stands, and `fall` tries later it is out.",
            ),
            Row(
                "session table, persistence by address and port",
                '`persistence_timeout`; `scheduler_flags = ["port"]`',
                of(PEN, "test_ten_requests_of_one_client_meet_one_server")
                + of(
                    POOLS,
                    "test_a_client_stays_with_its_server",
                    "test_a_hash_knows_a_client_across_a_restart_and_on_another_director",
                ),
            ),
            Row(
                "session sync",
                "`mh` with sloppy parameters; `[connection_sync]`",
                of(
                    "tests/kernel/inside_takeover.py",
                    "test_open_connections_after_a_switch_of_directors",
                    "test_synced_connections_go_on_where_no_hash_would_find_their_server",
                ),
            ),
            Row(
                "VRRP with tracking",
                "VRRPv3 and v2, `track`",
                of("tests/netns/test_interop_matrix.py", "test_one_owner_after_every_step")
                + of("tests/netns/test_handover_daemon.py", "test_files_processes_and_scripts_are_followed"),
            ),
            Row(
                "SNMP",
                "an AgentX subagent",
                of(SNMP, "test_a_walk_is_the_snapshot_in_order", "test_a_change_of_state_reaches_the_trap_receiver"),
            ),
            Row(
                "backup targets, alert scripts",
                "`tier`, `sorry_server`, hooks",
                of("tests/netns/test_hooks.py", "test_hooks_follow_the_router_and_their_ends_are_history")
                + of(POOLS, "test_tiers_take_over_and_hand_back_without_a_refused_client"),
            ),
            Row(
                "locations of clients",
                "a bare `firewall_mark`; the operator's nft sets it",
                of(SERVICES, "test_an_operators_set_of_clients_has_a_pool_of_its_own"),
            ),
            Row("services on all ports", '`ports = "all"`', of(SERVICES, "test_all_ports_of_an_address")),
            Row(
                "hundreds of services, thousands of targets",
                "planned by difference, in batches",
                of("tests/kernel/inside_ipvs.py", "test_ten_thousand_destinations_in_batches")
                + of(FAULTS, "test_a_reload_of_ten_thousand_servers_with_one_change_is_one_change_in_the_kernel"),
                "Times and memory: `python -m bench scale`.",
            ),
        ),
    ),
    Chapter(
        "Piranha",
        (
            Row("lvs.cf", "-", (), "No importer."),
            Row(
                "`send`, `expect`, `send_program`",
                "the checks `tcp`, `http`, `exec`",
                of(
                    "tests/unit/probes/test_exec.py",
                    "test_exit_codes",
                    "test_words_are_filled_in_and_no_shell_sees_them",
                )
                + of("tests/netns/test_probes_nginx.py", "test_a_working_server_and_wrong_answers"),
            ),
            Row(
                "`quiesce_server`, `sorry_server`",
                '`when_down = "quiesce"`, `sorry_server`',
                of(POOLS, "test_the_sorry_server_comes_and_goes_without_a_refused_client"),
            ),
            Row(
                "`fwmark`, `persistent`, `pmask`",
                "`firewall_mark`, `persistence_timeout`, `persistence_prefix`",
                of(SERVICES, "test_a_firewall_mark_ties_ports_and_addresses_together", "test_persistence_by_prefix"),
            ),
            Row(
                "nanny's return from a thirty-second, doubling",
                '`slow_start = { mode = "doubling" }`',
                of(
                    JUDGEMENT,
                    "test_a_server_that_comes_back_warms_up_in_the_kernel",
                    "test_a_second_failure_starts_anew",
                )
                + of("tests/unit/health/test_slow_start.py", "test_nannys_doubling_from_a_thirty_second"),
            ),
            Row(
                "nanny's `reentry`", "`damping`", of(JUDGEMENT, "test_a_flapping_server_is_kept_out_with_the_sentence")
            ),
            Row(
                "`load_monitor`",
                "the check `agent`, `dynamic_weight`",
                of(PEN, "test_an_agent_halves_its_weight_and_what_it_said_last_stands"),
            ),
            Row(
                "pulse: heartbeat, clean stop, `--forceactive`",
                "VRRP, priority 0, `haagent handover`",
                of(
                    "tests/netns/test_vrrp_process.py",
                    "test_a_clean_stop_says_priority_0",
                    "test_kill_9_is_taken_over_and_the_left_over_address_is_swept",
                )
                + of("tests/netns/test_handover_daemon.py", "test_a_handover_there_and_back_loses_no_request"),
            ),
            Row(
                "`active_cmd`, failover services",
                "hooks",
                of("tests/netns/test_hooks.py", "test_hooks_follow_the_router_and_their_ends_are_history"),
                "haagent manages no other services.",
            ),
            Row(
                "the table after each failure",
                "compared with ldirectord and keepalived: [twins.md](twins.md)",
                of("tests/kernel/inside_twins.py", "test_three_daemons_make_the_same_tables_of_the_same_failures"),
            ),
            Row("the web interface", "-", (), "Not offered."),
        ),
    ),
    Chapter(
        "What none of them promises",
        (
            Row(
                "kill -9 between any two messages",
                "whoever comes next ends at the same table",
                of(
                    BATCHES,
                    "test_kill_9_behind_every_message_of_a_reload",
                    "test_kill_9_between_whole_batches",
                    "test_kill_9_at_any_instant_of_a_writer_that_never_rests",
                )
                + of(LOAD, "test_a_director_that_dies_behind_a_message_of_a_reload_fails_no_request")
                + of(TABLES, "test_a_writer_killed_between_any_two_messages_is_followed_by_one_that_ends_equal"),
            ),
            Row(
                "one table of the same input",
                "on every director, after every history",
                of(
                    TABLES,
                    "test_every_director_makes_the_same_table_in_the_same_order",
                    "test_a_reload_leads_where_a_fresh_start_leads",
                    "test_a_restart_with_another_configuration_leads_there_too",
                )
                + of(BATCHES, "test_any_table_leads_to_any_other_as_if_it_were_fresh")
                + of(POOLS, "test_m7_one_canonical_order"),
            ),
            Row(
                "nothing to plan after a plan",
                "`plan(apply(plan))` is empty",
                of(PLAN, "test_a_second_plan_is_empty", "test_what_is_all_ours_becomes_exactly_the_wanted_end")
                + of(TABLES, "test_a_reload_of_the_same_configuration_makes_no_change")
                + of(BATCHES, "test_any_table_leads_to_any_other_as_if_it_were_fresh"),
            ),
            Row(
                "never emptier in between",
                "no pool is smaller than at the smaller end, after any message",
                of(PLAN, "test_no_pool_is_ever_smaller_than_at_both_ends")
                + of(
                    BATCHES,
                    "test_any_table_leads_to_any_other_as_if_it_were_fresh",
                    "test_kill_9_behind_every_message_of_a_reload",
                ),
            ),
            Row(
                "somebody else edits: EEXIST, ENOENT, ESRCH",
                "outlived, counted, told",
                of(FAULTS, "test_an_editor_who_never_rests_is_outlived", "test_ipvsadm_in_a_loop_is_outlived")
                + of(LOAD, "test_ipvsadm_races_with_the_daemon"),
            ),
            Row(
                "ENOBUFS, EINTR",
                "values, not exceptions",
                of(FAULTS, "test_replies_that_are_lost_are_looked_for", "test_signals_interrupt_nothing"),
            ),
            Row(
                "a full disk",
                "an operator's word that cannot be stored changes nothing; what is ours is stored later",
                of(LOAD, "test_operators_words_on_a_full_disk")
                + of(RELOADS, "test_a_full_disk_takes_nobody_out_and_is_told_and_made_good")
                + of(
                    "tests/unit/processes/test_operator_state.py",
                    "test_a_crash_at_any_step_leaves_the_old_or_the_new_words",
                ),
            ),
            Row(
                "a thousand reloads",
                "flat in memory and descriptors",
                of(RELOADS, "test_a_thousand_reloads_leave_memory_and_descriptors_flat"),
            ),
        ),
    ),
)
