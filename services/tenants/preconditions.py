"""If-Match and If-None-Match (RFC 9110, 13.1) on a tenant's version."""

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Header, Query

from m2n.api_errors import ApiError


def etag(version: int) -> str:
    return f'"{version}"'


def names_version(header: str, version: int) -> bool:
    """Whether an If-Match or If-None-Match header names this version; ``*`` names any."""
    tags = {tag.strip().removeprefix("W/") for tag in header.split(",")}
    return bool(tags & {"*", etag(version)})


@dataclass(frozen=True)
class Precondition:
    if_match: str | None = None
    if_none_match: str | None = None
    force: bool = False

    def check(self, version: int | None, *, required: bool) -> None:
        """``version`` is what is there now, None for nothing. Raises ApiError 412, or 428 for a missing If-Match."""
        if self.if_match is not None and (version is None or not names_version(self.if_match, version)):
            raise _failed(version)
        if self.if_none_match is not None and version is not None and names_version(self.if_none_match, version):
            raise _failed(version)
        if required and version is not None and self.if_match is None and not self.force:
            raise ApiError(428, f"send 'If-Match: {etag(version)}' to replace this version, or ?force=true for any")


def _failed(version: int | None) -> ApiError:
    if version is None:
        return ApiError(412, "it does not exist; to create it, leave If-Match out")
    return ApiError(412, f"it is at version {version} now; read it again and repeat the change", headers=_tag(version))


def _tag(version: int) -> dict[str, str]:
    return {"etag": etag(version)}


def _from_request(
    if_match: Annotated[str | None, Header()] = None,
    if_none_match: Annotated[str | None, Header()] = None,
    force: Annotated[bool, Query()] = False,
) -> Precondition:
    return Precondition(if_match, if_none_match, force)


Preconditions = Annotated[Precondition, Depends(_from_request)]
