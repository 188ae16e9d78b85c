"""The authority's configuration: its schema, how it is read, and what each node has to do.

A configuration is one YAML file with the names of the specification. :func:`load` turns its text into
an :class:`~peerkey.config.models.Authority`, or raises :exc:`ConfigurationFaults`, which lists *every*
fault with its line. :func:`plans` turns an authority into one immutable :class:`NodePlan` for each node,
which is all that the rest of peerkey ever sees of a configuration::

    loaded = load(text, "authority.yaml")
    for warning in loaded.warnings:
        print(warning)
    for plan in plans(loaded.authority, directory="/etc/peerkey"):
        ...

Nothing here reads a file: not the configuration, and not the certificates that it names.
"""

from peerkey.config.findings import ConfigurationFaults, Finding
from peerkey.config.load import Loaded, load
from peerkey.config.models import Authority
from peerkey.config.plan import (
    CertificateSource,
    Endpoint,
    InterfacePlan,
    InvalidCertificateBehavior,
    NodePlan,
    PathPlan,
    PeeringPlan,
    Policy,
    RevocationSource,
    ValidationMode,
)
from peerkey.config.planning import plan_for, plans
from peerkey.config.schema import json_schema

__all__ = [
    "Authority",
    "CertificateSource",
    "ConfigurationFaults",
    "Endpoint",
    "Finding",
    "InterfacePlan",
    "InvalidCertificateBehavior",
    "Loaded",
    "NodePlan",
    "PathPlan",
    "PeeringPlan",
    "Policy",
    "RevocationSource",
    "ValidationMode",
    "json_schema",
    "load",
    "plan_for",
    "plans",
]
