"""How conversations lie in Redis: the names of keys, the form of an element, and the scripts that change both.

A conversation is two keys in one hash slot, with one expiry::

    ai:conv:{KEY}        list   one element is one whole turn, oldest first
    ai:conv:{KEY}:meta   hash   epoch    a random word, new when the list was begun, restored or forgotten
                                count    turns that the conversation has had, kept or not
                                seq:W    number of the last turn that the process W has written
                                forgot   when the conversation was last forgotten (milliseconds since 1970)

``epoch`` and ``count`` together are the revision: a process whose copy has both need not read the list.

Redis evicts single keys, so either may be gone without the other. A conversation without its list counts as none, and
a list without its hash as one that nobody knows yet.

Writes are scripts, not MULTI, because a write must be safe to repeat. A Redis that stood still while we gave up
executes later what it had received: it would hold the turn twice if it did not know ``seq:W``.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import Final

_PLAIN_KEY: Final = re.compile(r"[A-Za-z0-9_.:@+=-]{1,200}")
_HASHED: Final = "sha256-"


def redis_keys(key: str) -> tuple[str, str]:
    """The names of the list and the hash of a conversation. Keys with other characters than those of channel ids and
    numbers, or very long ones, go in as a hash."""
    if not _PLAIN_KEY.fullmatch(key) or key.startswith(_HASHED):
        key = _HASHED + hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()
    return f"ai:conv:{{{key}}}", f"ai:conv:{{{key}}}:meta"


@dataclass(frozen=True, slots=True, order=True)
class Stamp:
    """Identity of a turn, and its place among the others.

    Attributes:
        at: Milliseconds since 1970; always later than the turn before it in the writer's copy.
        writer: The process, as a random word.
        seq: Number of the turn among all of that process, from 1.
    """

    at: int
    writer: str
    seq: int


def pack(stamp: Stamp, data: bytes) -> bytes:
    """An element of the list: a line with the stamp, then the turn as the codec wrote it."""
    return b"1 %d %s %d\n%s" % (stamp.at, stamp.writer.encode(), stamp.seq, data)


def unpack(element: bytes) -> tuple[Stamp, bytes]:
    """The reverse. Raises ValueError for what is no element of ours."""
    line, newline, data = element.partition(b"\n")
    parts = line.split(b" ")
    if not newline or len(parts) != 4 or parts[0] != b"1":
        raise ValueError("not an element that this version writes")
    return Stamp(int(parts[1]), parts[2].decode(), int(parts[3])), data


# What is there: epoch (false: nothing) and count.
_STATE: Final = """
local function state()
  local meta = redis.call('HMGET', KEYS[2], 'epoch', 'count')
  local count = tonumber(meta[2] or '0')
  if not meta[1] or (count > 0 and redis.call('LLEN', KEYS[1]) == 0) then return false, 0 end
  return meta[1], count
end
"""

# Adds turns. ARGV: ttl, max turns, the epoch that the writer knows (empty: none), an epoch for a new conversation,
# the writer, then seq and element of each turn. Returns {epoch, count}; count is -1 when the conversation is not the
# one that the writer knows, and then nothing was done.
APPEND: Final = f"""{_STATE}
local epoch = state()
if ARGV[3] ~= '' and epoch ~= ARGV[3] then return {{epoch or '', -1}} end
if not epoch then
  epoch = ARGV[4]
  redis.call('HSET', KEYS[2], 'epoch', epoch, 'count', redis.call('LLEN', KEYS[1]))
end
local field = 'seq:' .. ARGV[5]
local last = tonumber(redis.call('HGET', KEYS[2], field) or '0')
for i = 6, #ARGV, 2 do
  local seq = tonumber(ARGV[i])
  if seq > last then
    redis.call('RPUSH', KEYS[1], ARGV[i + 1])
    redis.call('HINCRBY', KEYS[2], 'count', 1)
    last = seq
  end
end
redis.call('HSET', KEYS[2], field, last)
redis.call('LTRIM', KEYS[1], -tonumber(ARGV[2]), -1)
redis.call('EXPIRE', KEYS[1], ARGV[1])
redis.call('EXPIRE', KEYS[2], ARGV[1])
return {{epoch, tonumber(redis.call('HGET', KEYS[2], 'count'))}}
"""

# Puts a whole list in place, if nobody has written since it was read. ARGV: ttl, epoch and count as read (empty and 0:
# nothing there), the new epoch, the new count, how many writers there are among the elements, each writer with its last
# seq, the elements. All writers, not only the one that restores: another one may yet repeat a turn that is in the list.
# Returns 1, or 0 when somebody was faster.
REPLACE: Final = f"""{_STATE}
local epoch, count = state()
if (epoch or '') ~= ARGV[2] or count ~= tonumber(ARGV[3]) then return 0 end
redis.call('HSET', KEYS[2], 'epoch', ARGV[4], 'count', ARGV[5])
local first = 7 + 2 * tonumber(ARGV[6])
for i = 7, first - 1, 2 do
  local field = 'seq:' .. ARGV[i]
  if tonumber(redis.call('HGET', KEYS[2], field) or '0') < tonumber(ARGV[i + 1]) then
    redis.call('HSET', KEYS[2], field, ARGV[i + 1])
  end
end
redis.call('DEL', KEYS[1])
for i = first, #ARGV do redis.call('RPUSH', KEYS[1], ARGV[i]) end
redis.call('EXPIRE', KEYS[1], ARGV[1])
redis.call('EXPIRE', KEYS[2], ARGV[1])
return 1
"""

# Empties a conversation and leaves word of it, so that no copy of another process brings it back. ARGV: ttl, the new
# epoch, the moment.
FORGET: Final = """
redis.call('DEL', KEYS[1])
redis.call('HSET', KEYS[2], 'epoch', ARGV[2], 'count', 0, 'forgot', ARGV[3])
redis.call('EXPIRE', KEYS[2], ARGV[1])
return 1
"""
