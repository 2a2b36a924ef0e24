"""Prometheus metrics, all in one place so that names and labels stay consistent. ``docs/metrics.md`` lists them; a test
holds the two together.

Labels take few values that are known beforehand: never a caller's number, a conversation or free text.
"""

from __future__ import annotations

import asyncio

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

REGISTRY = CollectorRegistry()

_TURN_BUCKETS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2, 3, 5, 8, 13, 20, 30)
_FAST_BUCKETS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1)

TURNS = Counter("asterisk_ai_turns", "Dialplan turns that ended, by AI_STATUS.", ["status"], registry=REGISTRY)
TURN_ERRORS = Counter(
    "asterisk_ai_turn_errors", "Dialplan turns that failed, by AI_ERROR.", ["error"], registry=REGISTRY
)
TURNS_ABANDONED = Counter(
    "asterisk_ai_turns_abandoned", "Dialplan turns whose caller hung up before the answer.", registry=REGISTRY
)
TURNS_ACTIVE = Gauge("asterisk_ai_turns_active", "Dialplan turns in progress.", registry=REGISTRY)
TURN_SECONDS = Histogram(
    "asterisk_ai_turn_seconds",
    "From StasisStart until the channel is back in the dialplan.",
    buckets=_TURN_BUCKETS,
    registry=REGISTRY,
)
FIRST_TEXT_SECONDS = Histogram(
    "asterisk_ai_first_text_seconds",
    "From the start of a turn until the model's first text.",
    ["provider"],
    buckets=_TURN_BUCKETS,
    registry=REGISTRY,
)
MODEL_ERRORS = Counter(
    "asterisk_ai_model_errors", "Failures of language models.", ["provider", "error"], registry=REGISTRY
)
MODEL_FALLBACKS = Counter(
    "asterisk_ai_model_fallbacks", "Turns that were answered by the fallback model.", registry=REGISTRY
)
TOKENS = Counter(
    "asterisk_ai_tokens", "Tokens, as the provider counted them.", ["provider", "direction"], registry=REGISTRY
)
TOOL_CALLS = Counter("asterisk_ai_tool_calls", "Tool calls, by outcome.", ["outcome"], registry=REGISTRY)
TOOL_COMMITS = Counter(
    "asterisk_ai_tool_commits",
    "Calls of tools that were finished after their turn had been interrupted, by outcome.",
    ["outcome"],
    registry=REGISTRY,
)
TOOL_SECONDS = Histogram(
    "asterisk_ai_tool_seconds", "Duration of tool calls.", buckets=_TURN_BUCKETS, registry=REGISTRY
)
TOOL_REPEATS = Counter(
    "asterisk_ai_tool_repeats", "Repeats of tool calls, by what made them necessary.", ["reason"], registry=REGISTRY
)
TOOLS_DOWN = Gauge("asterisk_ai_tools_down", "Tools that are not called, after failures in a row.", registry=REGISTRY)
TOOL_CACHE = Counter(
    "asterisk_ai_tool_cache", "Calls of tools with a cache, by outcome.", ["outcome"], registry=REGISTRY
)
MCP_SESSIONS = Gauge("asterisk_ai_mcp_sessions", "Open sessions with MCP servers.", registry=REGISTRY)
MCP_CONNECTS = Counter(
    "asterisk_ai_mcp_connects",
    "Connections to MCP servers that were tried, by outcome.",
    ["outcome"],
    registry=REGISTRY,
)
ARI_CONNECTED = Gauge("asterisk_ai_ari_connected", "1 while connected to Asterisk.", registry=REGISTRY)
ACTIONS = Counter(
    "asterisk_ai_actions",
    "Actions that the AI asked for and the service did over ARI, by kind and outcome.",
    ["action", "outcome"],
    registry=REGISTRY,
)
ARI_CONNECTS = Counter("asterisk_ai_ari_connects", "Successful connections to Asterisk.", registry=REGISTRY)
CHANNELS_RELEASED = Counter(
    "asterisk_ai_channels_released",
    "Channels that were found in our application without a turn and sent back to the dialplan.",
    registry=REGISTRY,
)
EVENT_LOOP_LAG = Histogram(
    "asterisk_ai_event_loop_lag_seconds",
    "How much later than planned the event loop ran a timer.",
    buckets=_FAST_BUCKETS,
    registry=REGISTRY,
)
EVENT_LOOP_LAG_MAX = Gauge(
    "asterisk_ai_event_loop_lag_max_seconds", "The longest lag since the start.", registry=REGISTRY
)
UNEXPECTED = Counter(
    "asterisk_ai_unexpected_errors", "Errors that nobody foresaw; each is a bug.", ["where"], registry=REGISTRY
)


async def watch_event_loop(interval: float = 0.02) -> None:
    """Measure the event loop's lag until cancelled.

    Args:
        interval: Seconds between probes; a stall shorter than this may be seen only in part.
    """
    loop = asyncio.get_running_loop()
    longest = 0.0
    while True:
        planned = loop.time() + interval
        await asyncio.sleep(interval)
        lag = max(0.0, loop.time() - planned)
        EVENT_LOOP_LAG.observe(lag)
        if lag > longest:
            longest = lag
            EVENT_LOOP_LAG_MAX.set(lag)
