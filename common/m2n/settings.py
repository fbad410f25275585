"""Settings of a service from its environment; a missing or wrong one stops the start with its name."""

from pathlib import Path

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    model_config = SettingsConfigDict(extra="ignore", hide_input_in_errors=True)

    app_id: str = Field("m2n", validation_alias="APP_ID")
    app_port: int = Field(8080, validation_alias="APP_PORT")
    dapr_http_port: int = Field(3500, validation_alias="DAPR_HTTP_PORT")
    app_api_token: SecretStr = Field(validation_alias="APP_API_TOKEN", min_length=16)
    dapr_api_token: SecretStr = Field(SecretStr(""), validation_alias="DAPR_API_TOKEN")
    mongo_url: SecretStr = Field(
        SecretStr("mongodb://127.0.0.1:27017/?replicaSet=rs0"), validation_alias="M2N_MONGO_URL"
    )
    mongo_database: str = Field("m2n", validation_alias="M2N_MONGO_DATABASE")
    redis_url: SecretStr = Field(SecretStr("redis://127.0.0.1:6379/0"), validation_alias="M2N_REDIS_URL")
    sqs_endpoint: str | None = Field(None, validation_alias="M2N_SQS_ENDPOINT")
    sqs_queue: str = Field("m2n-inbound.fifo", validation_alias="M2N_SQS_QUEUE", pattern=r"^[\w-]{1,70}\.fifo$")
    aws_region: str = Field("eu-central-1", validation_alias="AWS_REGION")
    public_url: str = Field("http://127.0.0.1:8000", validation_alias="M2N_PUBLIC_URL")
    link_key: SecretStr = Field(SecretStr(""), validation_alias="M2N_LINK_KEY")
    """Signs the links to media; the same for all services of an installation. Without it there are no links."""
    media_bucket: str = Field("", validation_alias="M2N_MEDIA_BUCKET")
    """S3 bucket for media; none: they are kept in MongoDB (GridFS)."""
    media_endpoint: str | None = Field(None, validation_alias="M2N_MEDIA_ENDPOINT")
    media_days: int = Field(90, validation_alias="M2N_MEDIA_DAYS", ge=1, le=3650)
    """How long media are kept."""
    private_hosts: str = Field("", validation_alias="M2N_PRIVATE_HOSTS")
    """Hosts in private networks that vendors' addresses may lead to: ``host`` or ``host:port``, by commas."""
    data_dir: Path = Field(Path(".m2n/data"), validation_alias="M2N_DATA_DIR")
    log_level: str = Field("INFO", validation_alias="M2N_LOG_LEVEL")
    recordings_days: int = Field(30, validation_alias="M2N_RECORDINGS_DAYS", ge=0, le=3650)
    """How long the steps of sessions are kept for a replay; 0: they are not recorded."""
    clock_ahead_s: float = Field(0, validation_alias="M2N_CLOCK_AHEAD_S")
    """How far the whole installation's time is ahead: for tests."""

    @property
    def sidecar_url(self) -> str:
        return f"http://127.0.0.1:{self.dapr_http_port}"

    @property
    def instance(self) -> str:
        """Names this process among its replicas."""
        return f"{self.app_id}@{self.app_port}"
