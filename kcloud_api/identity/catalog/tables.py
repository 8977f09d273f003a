"""Rows of the service catalog."""

from sqlmodel import Field, SQLModel


class Region(SQLModel, table=True):
    __tablename__ = "identity_region"

    id: str = Field(primary_key=True, max_length=255)
    description: str = ""
    parent_region_id: str | None = Field(default=None, max_length=255)


class CatalogService(SQLModel, table=True):
    __tablename__ = "identity_service"

    id: str = Field(primary_key=True, max_length=64)
    type: str = Field(max_length=255, index=True)
    name: str = Field(max_length=255)
    description: str = ""
    enabled: bool = True


class Endpoint(SQLModel, table=True):
    __tablename__ = "identity_endpoint"

    id: str = Field(primary_key=True, max_length=64)
    service_id: str = Field(max_length=64, index=True)
    region_id: str = Field(max_length=255)
    interface: str = Field(max_length=8)
    url: str
    enabled: bool = True
