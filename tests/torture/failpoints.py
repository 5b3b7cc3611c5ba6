"""The daemon's failpoints, as core/base/failpoint.h lists them, and how each is reached."""
import re

from harness.daemon import ROOT

HEADER = ROOT / "core" / "base" / "failpoint.h"
# Passed once in each start.
AT_START = {"start_locked", "start_keyed", "start_plugins", "start_feed", "start_agent",
            "start_loaded", "start_serving", "store_listed", "store_first_written",
            "feed_adopted", "feed_before_full"}
AT_STOP = {"stop_signalled", "stop_api_ended", "stop_agent_ended", "stop_store_closed"}
# Rare under load: the first time counts.
SELDOM = {"rollback_before", "stray_before_remove", "feed_spawned", "feed_before_listener",
          "feed_after_listener", "store_before_read_back", "store_after_read_back"}


def names():
    return re.findall(r"^\s*X\((\w+)\)", HEADER.read_text(), re.MULTILINE)


def armed(name, chance):
    """The daemon's environment for a crash at `name`, at a hit that `chance` draws."""
    nth = 1 if name in AT_START | AT_STOP | SELDOM else chance.choice((1, 2, 3, 5, 8, 13, 21))
    text = f"{name}=abort:{nth}"
    if name.endswith("_read_back"):
        text = f"store_after_apply=error:{chance.randrange(3, 12)},{text}"
    return text
