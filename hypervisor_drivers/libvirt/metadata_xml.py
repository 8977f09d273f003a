"""kcloud's own words inside a domain's XML: its project, its claims, how new its definition is. Pure."""

import re
from uuid import UUID
from xml.etree import ElementTree
from xml.etree.ElementTree import Element, SubElement

from hypervisor_drivers.spec import DomainMetadata

NAMESPACE = "urn:kcloud:domain:1"
PREFIX = "kcloud"
_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")

ElementTree.register_namespace(PREFIX, NAMESPACE)


def metadata_element(metadata: DomainMetadata) -> Element:
    """The `<kcloud:server>` element of a domain."""
    return _server(metadata, f"{{{NAMESPACE}}}")


def metadata_text(metadata: DomainMetadata) -> str:
    """The same for virDomainSetMetadata, which puts the namespace in by itself."""
    return ElementTree.tostring(_server(metadata, ""), encoding="unicode")


def _server(metadata: DomainMetadata, namespace: str) -> Element:
    server = Element(f"{namespace}server", {"generation": str(metadata.generation)})
    SubElement(server, f"{namespace}project", {"id": metadata.project_id})
    for claim in metadata.claims:
        SubElement(server, f"{namespace}claim", {"id": str(claim)})
    return server


def read_metadata(domain: Element) -> DomainMetadata | None:
    """What `metadata_element` wrote; None in a domain that is not kcloud's. Whoever edits a domain may write
    anything there: what is no number or id is left out, for one odd domain must not hide all others."""
    server = domain.find(f"metadata/{{{NAMESPACE}}}server")
    if server is None:
        return None
    project = server.find(f"{{{NAMESPACE}}}project")
    return DomainMetadata(
        project_id="" if project is None else project.get("id", ""),
        generation=_number(server.get("generation", "")),
        claims=tuple(
            UUID(text)
            for claim in server.findall(f"{{{NAMESPACE}}}claim")
            if _ID.fullmatch(text := claim.get("id", ""))
        ),
    )


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 19 else 0
