"""Settings of this service alone."""

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


class TenantsSettings(BaseSettings):
    """Without an admin key of at least 24 characters the service does not start."""

    model_config = SettingsConfigDict(extra="ignore", hide_input_in_errors=True)

    admin_key: SecretStr = Field(validation_alias="M2N_ADMIN_KEY", min_length=24)
