"""A transaction that is begun on documents and never ended, as by a sidecar that is killed in the middle of a save.

MongoDB does not end it with its connection: until its time limit nobody else can write the documents.
"""

import asyncio
import sys
from collections.abc import Sequence
from typing import Any

from pymongo import MongoClient
from pymongo.errors import OperationFailure

STATE = "dapr_state"
"""Collection of Dapr's state component."""


class NotLeftOpen(RuntimeError):
    """The process that was to begin the transaction ended before it had."""


def lane_key(tenant: str, profile_id: str) -> str:
    return f"sessions||SessionActor||{tenant}:{profile_id}||lane"


async def leave_open(mongo_url: str, database: str, keys: Sequence[str]) -> None:
    """Begin a transaction that writes these states, in a process of its own, and kill that. Raises NotLeftOpen."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        __name__,
        mongo_url,
        database,
        *keys,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    said = await process.stdout.readline()
    if process.returncode is None:
        process.kill()
    await process.wait()
    if not said:
        raise NotLeftOpen


def main(mongo_url: str, database: str, *keys: str) -> None:
    client = MongoClient[dict[str, Any]](mongo_url)
    states, session = client[database][STATE], client.start_session()
    while True:
        session.start_transaction()
        try:
            found = [states.update_one({"_id": key}, {"$set": {"begun": True}}, session=session) for key in keys]
        except OperationFailure as failed:
            session.abort_transaction()
            if not failed.has_error_label("TransientTransactionError"):
                raise
        else:
            break
    if all(result.matched_count for result in found):
        print("open", flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    main(*sys.argv[1:])
