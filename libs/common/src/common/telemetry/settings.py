"""Settings of telemetry. The address of the collector has OpenTelemetry's own name."""

from typing import Annotated, Literal

from pydantic import Field, field_validator
from pydantic_settings import BaseSettings


class TelemetrySettings(BaseSettings):
    """What is measured, and where traces go."""

    otel_exporter_otlp_endpoint: Annotated[
        str | None,
        Field(
            pattern=r"^https?://",
            description="where traces go: the base URL of an OTLP receiver (HTTP, port 4318 by custom); unset: nowhere",
        ),
    ] = None
    trace_sample_ratio: Annotated[
        float, Field(ge=0, le=1, description="share of the exchanges that begin here and are traced, from end to end")
    ] = 0.01
    # For `--help` and to refuse a wrong value; `telemetry.metrics` reads the variable itself, at import.
    metrics: Annotated[
        Literal["on", "off"], Field(description="`off` counts nothing, to measure what counting costs")
    ] = "on"
    metrics_tenants: Annotated[
        int, Field(ge=0, description="how many chatbots have metrics under their own id; the others are one, `other`")
    ] = 200

    @field_validator("otel_exporter_otlp_endpoint", mode="before")
    @classmethod
    def _empty_is_unset(cls, value: object) -> object:
        return value or None
