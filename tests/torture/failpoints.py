"""The daemon's failpoints, as core/base/failpoint.h lists them, and how each is reached."""
import re

from harness.daemon import ROOT

HEADER = ROOT / "core" / "base" / "failpoint.h"

# What leads to a failpoint for certain, however long it takes:
START = "start"         # each start passes it once
ADOPTION = "adoption"   # so does a start that finds a proxy
STOP = "stop"           # SIGTERM under load
WRITES = "writes"       # the writers, many times a second
ROLLOUTS = "rollouts"   # replicas that are made, published, drained, stopped and removed
STRAY = "stray"         # a container that no record wants, there before the start
ROLLBACK = "rollback"   # a rollout that can't succeed
PROXY = "proxy"         # the proxy is killed: another is started and given everything
DOUBT = "doubt"         # a store whose answer is lost

WAYS = {
    START: ("start_locked start_keyed start_plugins start_feed start_agent start_loaded "
            "start_serving store_listed store_first_written runtime_before_list runtime_after_list "
            "feed_before_full"),
    ADOPTION: "feed_adopted",
    STOP: "stop_signalled stop_api_ended stop_agent_ended stop_store_closed",
    WRITES: ("store_submitted store_batch_closed store_before_apply store_after_apply "
             "store_before_done store_before_reply api_before_command api_before_reply "
             "idempotency_before idempotency_after"),
    ROLLOUTS: ("place_before_submit place_after_submit reconcile_before reconcile_after "
               "assignment_taken table_taken report_taken keep_before_write keep_before_rename "
               "keep_after_rename runtime_before_create runtime_after_create runtime_before_start "
               "runtime_after_start runtime_before_stop runtime_after_stop runtime_before_remove "
               "runtime_after_remove table_published table_acknowledged table_drained"),
    STRAY: "stray_before_remove",
    ROLLBACK: "rollback_before",
    PROXY: "feed_spawned feed_before_listener feed_after_listener",
    DOUBT: "store_before_read_back store_after_read_back",
}
_WAY_OF = {name: way for way, names_of in WAYS.items() for name in names_of.split()}
_HITS = {WRITES: (1, 2, 3, 5, 8, 13, 21)}


def names():
    return re.findall(r"^\s*X\((\w+)\)", HEADER.read_text(), re.MULTILINE)


def way_of(name):
    return _WAY_OF[name]


def armed(name, chance, rollout_hits):
    """The daemon's environment for a crash at `name`, at a hit that `chance` draws."""
    hits = {**_HITS, ROLLOUTS: rollout_hits}.get(way_of(name), (1,))
    text = f"{name}=abort:{chance.choice(hits)}"
    if way_of(name) == DOUBT:
        text = f"store_after_apply=error:{chance.randrange(3, 12)},{text}"
    return text
