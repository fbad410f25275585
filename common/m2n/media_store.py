"""Where the bytes of media are: GridFS in the installation's MongoDB, or a bucket that speaks S3."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any, Protocol

import aioboto3
from aiobotocore.config import AioConfig
from botocore.exceptions import BotoCoreError, ClientError
from gridfs.asynchronous import AsyncGridFSBucket
from gridfs.errors import NoFile
from pymongo.errors import PyMongoError

from m2n.database import Database
from m2n.settings import Settings

CHUNK = 255 * 1024


class MediaStoreUnavailable(Exception):
    """The store did not take or give the bytes; trying again may help."""


@contextmanager
def mongo_away() -> Iterator[None]:
    """Errors of MongoDB as MediaStoreUnavailable."""
    try:
        yield
    except PyMongoError as failed:
        raise MediaStoreUnavailable(type(failed).__name__) from failed


class MediaStore(Protocol):
    """Bytes by key. Writing a key again replaces it. Methods raise MediaStoreUnavailable."""

    async def write(self, key: str, content: bytes, mime: str) -> None: ...
    async def read(self, key: str) -> bytes | None:
        """None when there is nothing under the key."""
        ...

    async def delete(self, key: str) -> None:
        """Nothing is there afterwards; there may have been nothing before."""
        ...


class GridFsStore:
    def __init__(self, database: Database) -> None:
        self._bucket = AsyncGridFSBucket(database, bucket_name="media_files", chunk_size_bytes=CHUNK)

    async def write(self, key: str, content: bytes, mime: str) -> None:
        """A crash half-way leaves an unfinished upload, which no read sees and the next write removes."""
        with mongo_away():
            await self._remove(key)
            await self._bucket.upload_from_stream_with_id(key, key, content, metadata={"mime": mime})

    async def read(self, key: str) -> bytes | None:
        with mongo_away():
            try:
                return await (await self._bucket.open_download_stream(key)).read()
            except NoFile:
                return None

    async def delete(self, key: str) -> None:
        with mongo_away():
            await self._remove(key)

    async def _remove(self, key: str) -> None:
        try:
            await self._bucket.delete(key)
        except NoFile:
            return


class S3Store:
    """``client`` is an open S3 client of aioboto3."""

    def __init__(self, client: Any, bucket: str) -> None:
        self._client, self._bucket = client, bucket

    async def write(self, key: str, content: bytes, mime: str) -> None:
        await self._call("put_object", Key=key, Body=content, ContentType=mime)

    async def read(self, key: str) -> bytes | None:
        try:
            answer = await self._call("get_object", Key=key)
        except MediaStoreUnavailable as failed:
            if str(failed) in ("NoSuchKey", "404"):
                return None
            raise
        async with answer["Body"] as body:
            return await body.read()

    async def delete(self, key: str) -> None:
        await self._call("delete_object", Key=key)

    async def _call(self, name: str, **arguments: Any) -> Any:
        try:
            return await getattr(self._client, name)(Bucket=self._bucket, **arguments)
        except ClientError as refused:
            raise MediaStoreUnavailable(refused.response.get("Error", {}).get("Code", "")) from refused
        except (BotoCoreError, TimeoutError, OSError) as failed:
            raise MediaStoreUnavailable(type(failed).__name__) from failed


@asynccontextmanager
async def open_media_store(settings: Settings, database: Database) -> AsyncIterator[MediaStore]:
    """The bucket that the settings name, else GridFS, which needs nothing."""
    if not settings.media_bucket:
        yield GridFsStore(database)
        return
    config = AioConfig(connect_timeout=2, read_timeout=20, retries={"max_attempts": 2}, s3={"addressing_style": "path"})
    session = aioboto3.Session(region_name=settings.aws_region)
    async with session.client("s3", endpoint_url=settings.media_endpoint or None, config=config) as client:  # pyright: ignore[reportGeneralTypeIssues]
        yield S3Store(client, settings.media_bucket)
