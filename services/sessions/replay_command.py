"""``m2n replay``: recorded sessions run again through the code that is installed here."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path
from typing import Annotated, TypeVar

import typer
from pymongo import AsyncMongoClient
from pymongo.errors import PyMongoError

from m2n.database import Document
from services.sessions.anonymous import NotAnonymous, anonymised
from services.sessions.recording_file import NotARecording, read_recording, write_recording
from services.sessions.recordings import NoSuchSession, Recordings
from services.sessions.replay import Difference, Equal, NotComplete, Recording, done_again, replay

EQUAL, DIFFERENT, NOT_POSSIBLE = 0, 1, 2
DEFAULT_URL = "mongodb://127.0.0.1:27017/?replicaSet=rs0"
T = TypeVar("T")

Names = Annotated[list[str] | None, typer.Argument(metavar="SESSION...", help="Ids of sessions; with --file: files.")]
Tenant = Annotated[str | None, typer.Option(help="Sessions of this tenant only.", show_default=False)]
MongoUrl = Annotated[str, typer.Option(envvar="M2N_MONGO_URL", help="MongoDB of the installation.")]
MongoDatabase = Annotated[str, typer.Option(envvar="M2N_MONGO_DATABASE", help="Its database.")]
InFiles = Annotated[bool, typer.Option("--file", help="Take the sessions from files that --save wrote.")]
Save = Annotated[Path | None, typer.Option(help="Write the session into this file.", show_default=False)]
Anonymous = Annotated[bool, typer.Option("--anonymous", help="Replace texts, names and numbers in what is saved.")]
Renew = Annotated[bool, typer.Option("--renew", help="Write into each file what the present code does.")]


def command(
    names: Names = None,
    tenant: Tenant = None,
    mongo_url: MongoUrl = DEFAULT_URL,
    mongo_database: MongoDatabase = "m2n",
    file: InFiles = False,
    save: Save = None,
    anonymous: Anonymous = False,
    renew: Renew = False,
) -> None:
    """Run recorded sessions again and compare: 0 when equal, 1 when different, 2 when it cannot be done.

    Without a SESSION: list the sessions that were recorded last, with tenant and time of the last step.
    """
    sessions = names or []
    _check_options(len(sessions), file, save, anonymous, renew)

    def show(_: str) -> int:
        for session in _read(mongo_url, mongo_database, lambda kept: kept.latest(tenant)):
            typer.echo(f"{session.id}  {session.tenant}  {session.last_at}")
        return EQUAL

    def recording_of(name: str) -> Recording:
        return _read(mongo_url, mongo_database, lambda kept: kept.of_session(name, tenant))

    def one(name: str) -> int:
        recording = read_recording(Path(name)) if file else recording_of(name)
        found = replay(recording)
        typer.echo(f"{name}: {found}" if file or len(sessions) > 1 else found)
        if save:
            write_recording(save, anonymised(recording) if anonymous else recording)
        if renew and isinstance(found, Difference):
            write_recording(Path(name), done_again(recording))
        return EQUAL if isinstance(found, Equal) else DIFFERENT

    raise typer.Exit(max(_tried(name, one) for name in sessions) if sessions else _tried("", show))


def _check_options(count: int, file: bool, save: Path | None, anonymous: bool, renew: bool) -> None:
    """Raises typer.BadParameter."""
    if file and not count:
        raise typer.BadParameter("expected a FILE with it", param_hint="--file")
    if save and count != 1:
        raise typer.BadParameter("expected one SESSION", param_hint="--save")
    if anonymous and not save:
        raise typer.BadParameter("expected --save FILE with it", param_hint="--anonymous")
    if renew and not file:
        raise typer.BadParameter("expected --file with it", param_hint="--renew")


def _tried(name: str, work: Callable[[str], int]) -> int:
    try:
        return work(name)
    except PyMongoError as failed:
        typer.echo(f"MongoDB does not answer ({type(failed).__name__}); check M2N_MONGO_URL or --mongo-url", err=True)
    except (NoSuchSession, NotComplete, NotARecording, NotAnonymous, OSError) as failed:
        typer.echo(f"{name}: {failed}", err=True)
    return NOT_POSSIBLE


def _read(mongo_url: str, mongo_database: str, read: Callable[[Recordings], Awaitable[T]]) -> T:
    """Raises PyMongoError, and what ``read`` raises."""

    async def reading() -> T:
        async with AsyncMongoClient[Document](mongo_url, serverSelectionTimeoutMS=5000, tz_aware=True) as client:
            return await read(Recordings(client[mongo_database], timedelta(0)))

    return asyncio.run(reading())
