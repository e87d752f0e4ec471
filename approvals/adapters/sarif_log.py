"""What is read of a SARIF log (OASIS SARIF 2.1.0); every other property of the standard may be there and is ignored."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic.alias_generators import to_camel

from approvals.api.schemas import refuse_unstorable

Place = Annotated[int, Field(strict=True, ge=-1, le=2**31 - 1)]
"""A line or column from 1, an offset from 0, or an index, of which -1 says 'none'."""


class Part(BaseModel):
    """An object of the standard, whose properties are written in camel case."""

    model_config = ConfigDict(alias_generator=to_camel, validate_by_alias=True, validate_by_name=False, extra="ignore")


class Message(Part):
    text: str | None = None
    id: str | None = None
    arguments: list[str] = []


class Content(Part):
    text: str | None = None
    binary: str | None = None


class ArtifactLocation(Part):
    uri: str | None = None
    uri_base_id: str | None = None
    index: Place = -1


class Artifact(Part):
    location: ArtifactLocation | None = None
    contents: Content | None = None
    encoding: str | None = None
    hashes: dict[str, str] = {}


class Region(Part):
    start_line: Place | None = None
    start_column: Place | None = None
    end_line: Place | None = None
    end_column: Place | None = None
    char_offset: Place = -1
    char_length: Place | None = None
    byte_offset: Place = -1


class Replacement(Part):
    deleted_region: Region
    inserted_content: Content | None = None


class ArtifactChange(Part):
    artifact_location: ArtifactLocation
    replacements: list[Replacement] = Field(min_length=1)


class Fix(Part):
    description: Message | None = None
    artifact_changes: list[ArtifactChange] = Field(min_length=1)
    properties: dict[str, Any] = {}


class PhysicalLocation(Part):
    artifact_location: ArtifactLocation | None = None
    region: Region | None = None


class Location(Part):
    physical_location: PhysicalLocation | None = None


class ComponentReference(Part):
    name: str | None = None
    index: Place = -1


class DescriptorReference(Part):
    id: str | None = None
    index: Place = -1
    tool_component: ComponentReference | None = None


class Relationship(Part):
    target: DescriptorReference


class Rule(Part):
    id: str
    short_description: Message | None = None
    help_uri: str | None = None
    message_strings: dict[str, Message] = {}
    relationships: list[Relationship] = []
    properties: dict[str, Any] = {}


class Component(Part):
    name: str
    rules: list[Rule] = []


class Tool(Part):
    driver: Component
    extensions: list[Component] = []


class Result(Part):
    message: Message = Message()
    rule_id: str | None = None
    rule_index: Place = -1
    rule: DescriptorReference | None = None
    locations: list[Location] = []
    fixes: list[Fix] = []
    taxa: list[DescriptorReference] = []
    fingerprints: dict[str, str] = {}
    partial_fingerprints: dict[str, str] = {}
    correlation_guid: str | None = None
    guid: str | None = None
    properties: dict[str, Any] = {}


class Provenance(Part):
    repository_uri: str
    revision_id: str | None = None
    mapped_to: ArtifactLocation | None = None


class Run(Part):
    tool: Tool
    results: list[Result] | None = None
    artifacts: list[Artifact] = []
    original_uri_base_ids: dict[str, ArtifactLocation] = {}
    version_control_provenance: list[Provenance] = []
    default_encoding: str | None = None
    newline_sequences: list[str] = ["\r\n", "\n"]
    column_kind: Literal["utf16CodeUnits", "unicodeCodePoints"] | None = None
    properties: dict[str, Any] = {}


class SarifLog(Part):
    """A log. Each entry of `fixes` of a result is one way to mend it, and becomes a patch."""

    version: Literal["2.1.0"]
    runs: list[Run]

    @model_validator(mode="before")
    @classmethod
    def storable(cls, log: Any) -> Any:
        if isinstance(log, dict):
            refuse_unstorable(log)
        return log
