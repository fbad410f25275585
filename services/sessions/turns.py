"""One turn of a lane at a time in a process, also when the process has two actor objects of it.

Dapr lets the next call in when a caller goes away, and has an actor taken out of memory when lanes are given to other
hosts, though the call before goes on here: its save would come after what the next call has read.
"""

import asyncio
from weakref import WeakKeyDictionary, WeakValueDictionary

from dapr.actor.runtime.context import ActorRuntimeContext

_LOCKS: WeakKeyDictionary[ActorRuntimeContext, WeakValueDictionary[str, asyncio.Lock]] = WeakKeyDictionary()


def lock_of(context: ActorRuntimeContext, lane: str) -> asyncio.Lock:
    """The lane's lock; a process has one context."""
    return _LOCKS.setdefault(context, WeakValueDictionary()).setdefault(lane, asyncio.Lock())
