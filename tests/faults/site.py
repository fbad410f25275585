"""Where the stack under test is, and what opens it."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from deploy.local.stack import Stack


@dataclass(frozen=True)
class Site:
    """``addresses`` are base addresses by service name; webhooks are posted to that of ``webhooks``.

    ``public_url`` is the address that signatures are made for: what ``webhooks`` believes to be its own, also when
    ``addresses`` leads there by a detour.
    """

    addresses: Mapping[str, str]
    public_url: str
    admin_key: str = field(repr=False)
    secrets: Mapping[str, str] = field(repr=False)
    mongo_url: str
    mongo_database: str
    sqs_endpoint: str
    sqs_queue: str

    @classmethod
    def of(cls, stack: Stack) -> "Site":
        return cls(
            addresses=stack.addresses(),
            public_url=stack.environment("webhooks")["M2N_PUBLIC_URL"],
            admin_key=stack.admin_key,
            secrets=stack.secrets,
            mongo_url=stack.mongo_url,
            mongo_database=stack.mongo_database,
            sqs_endpoint=stack.sqs_endpoint,
            sqs_queue=stack.sqs_queue,
        )
