"""Configuration group `api`: the HTTP edge that all services share."""

from dataclasses import dataclass

from kcloud_common.config import option


@dataclass(frozen=True, slots=True)
class ApiConf:
    host: str = option("127.0.0.1", help="Address to listen on.")
    port: int = option(8774, help="Port to listen on; 0 takes a free one.", minimum=0, maximum=65535)
    workers: int = option(1, help="Processes that serve the API.", minimum=1, maximum=256)
    max_body_kib: int = option(
        1024, help="Largest request body in KiB. Image data is streamed and not subject to it.", minimum=16
    )
    policy_file: str | None = option(None, help="A policy.yaml that overrides default rules.")
    log_level: str = option("info", help="What is logged.", choices=("debug", "info", "warning", "error"))
    log_format: str = option("text", help="How it is logged: key=value, or JSON.", choices=("text", "json"))
