"""What the formats of other tools' files are called."""

from __future__ import annotations

from graph_schema.documents.imported import ExchangeFormat

FORMATS = {format.value: format for format in ExchangeFormat} | {
    "mib": ExchangeFormat.EAP_IG,
    "mib-pt": ExchangeFormat.EAP_IG_PT,
}
"""Formats by name; the MIB benchmark takes EAP-IG's files."""
