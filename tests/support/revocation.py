"""The CRL manager without a network and without a disk: servers that say what they are told to, in memory.

world = Revocations()
world.serves(URL, revocation_list(ca.root, leaf))
index = world.start(system)
await settle()
assert world.revoked(leaf)
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from actors.crl.index import RevocationIndex, RevocationPorts
from actors.crl.ingesting import InlineIngester
from actors.crl.known import KnownRevocations
from actors.crl.messages import SourcePorts
from actors.crl.port import (
    FetchFailed,
    FetchFault,
    KeptLists,
    ListFetched,
    ListRequest,
    ListUnchanged,
)
from actors.crl.status import GetRevocation, RevocationStatus, SourceStatus
from actors.journal import MemoryJournal
from peerkey.config.plan import (
    CertificateSource,
    InvalidCertificateBehavior,
    NodePlan,
    Policy,
    RevocationSource,
    ValidationMode,
)
from peerkey.errors import Unavailable
from peerkey.observe.events import CrlUpdated
from peerkey.pki.crl_polling import Validators
from peerkey.pki.master_list import MasterList
from peerkey.testing.ca import Issued, TestCA
from runtime.ref import Ref
from runtime.system import ActorSystem
from runtime.testing import Recorder

SECOND = timedelta(seconds=1)
HOUR = timedelta(hours=1)
URL = "http://crl.example/ca.crl"


class Servers:
    """Every server there is. See :class:`actors.crl.port.ListFetcher`."""

    def __init__(self) -> None:
        self.lists: dict[str, tuple[bytes, Validators]] = {}
        self.failures: dict[str, FetchFailed] = {}
        #: What was asked for, in order, and how often each address was.
        self.asked: list[ListRequest] = []
        self.counts: Counter[str] = Counter()
        self.delay = timedelta(0)
        self.at_once = self.most_at_once = 0

    async def fetch(self, request: ListRequest) -> ListFetched | ListUnchanged:
        self.asked.append(request)
        self.counts[request.url] += 1
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            await asyncio.sleep(self.delay.total_seconds())
        finally:
            self.at_once -= 1
        if request.url in self.failures:
            raise self.failures[request.url]
        content, validators = self.lists[request.url]
        return (
            ListUnchanged()
            if validators and request.validators == validators
            else ListFetched(content, validators)
        )


class Shelf:
    """A disk that keeps lists. See :class:`actors.crl.port.ListKeeper`."""

    def __init__(self) -> None:
        self.kept: dict[str, KeptLists] = {}
        self.full = self.unreadable = False

    def addresses(self) -> tuple[tuple[str, datetime | None], ...]:
        self._check(self.unreadable)
        return tuple((url, kept.until) for url, kept in self.kept.items())

    def load(self, url: str) -> KeptLists | None:
        self._check(self.unreadable)
        return self.kept.get(url)

    def save(self, kept: KeptLists) -> None:
        self._check(self.full)
        self.kept[kept.url] = kept

    def drop(self, url: str) -> None:
        self.kept.pop(url, None)

    def _check(self, broken: bool) -> None:  # noqa: FBT001
        if broken:
            message = "crl: the kept revocation lists cannot be used: No space left on device"
            raise Unavailable(message)


class MasterMemory:
    """A master list that needs no file. See :class:`actors.crl.known.MasterFile`."""

    def __init__(self) -> None:
        self.content: bytes | None = None
        self.published = 0
        self.full = False

    def read(self) -> MasterList | None:
        return None if self.content is None else MasterList(self.content)

    def publish(self, pieces: Iterable[bytes]) -> MasterList:
        if self.full:
            message = "master: cannot be written: No space left on device"
            raise Unavailable(message)
        self.content = b"".join(pieces)
        self.published += 1
        return MasterList(self.content)


@dataclass
class Revocations:
    """Servers, a disk, an authority that trusts, and a clock's beginning."""

    now: datetime
    servers: Servers = field(default_factory=Servers)
    shelf: Shelf = field(default_factory=Shelf)
    master: MasterMemory = field(default_factory=MasterMemory)
    journal: MemoryJournal = field(default_factory=MemoryJournal)
    configured: list[RevocationSource] = field(default_factory=list)
    nodes: int = 1
    #: Whether the file of trusted authorities cannot be read.
    untrusting: bool = False
    versions: int = 0

    def __post_init__(self) -> None:
        self.ca = TestCA(now=self.now)
        self.trusted = [self.ca.root.certificate]
        #: What the nodes show; all the same here.
        self.own = self.ca.issue(UUID(int=1))
        self.authority = Recorder()
        self.known = KnownRevocations(self.master)

    # --- what the world does --------------------------------------------------------------------------

    def configure(self, *urls: str, polling: timedelta = 24 * HOUR, backoff: timedelta = 60 * SECOND) -> None:
        self.configured = [RevocationSource(url, polling, backoff) for url in urls]

    def serves(self, url: str, crl: x509.CertificateRevocationList | bytes, *, tagged: bool = True) -> None:
        content = crl if isinstance(crl, bytes) else crl.public_bytes(Encoding.DER)
        self.versions += 1
        tag = Validators(etag=f'"{self.versions}"') if tagged else Validators()
        self.servers.lists[url] = content, tag
        self.servers.failures.pop(url, None)

    def fails(self, url: str, why: str = "the server answers 500") -> None:
        self.servers.failures[url] = FetchFailed(FetchFault.STATUS, url, why)

    # --- what runs ------------------------------------------------------------------------------------

    @property
    def ports(self) -> RevocationPorts:
        """What the manager is given; another world may give something else."""
        source = SourcePorts(self.servers, self.shelf, InlineIngester(), self.journal, bytes)
        return RevocationPorts(source, self.known, _no_file)

    def start(self, system: ActorSystem) -> Ref:
        """Start the index below an authority that only remembers what it is told."""
        authority = system.spawn(lambda: self.authority, "authority")
        ports = self.ports
        return system.spawn(lambda: RevocationIndex(lambda: self.plans, authority, ports), "revocation")

    @property
    def plans(self) -> tuple[NodePlan, ...]:
        return tuple(self._plan(number) for number in range(self.nodes))

    def _plan(self, number: int) -> NodePlan:
        trusted = b"".join(each.public_bytes(Encoding.PEM) for each in self.trusted).decode()
        return NodePlan(
            authority="test",
            router=f"r{number}",
            node="node0",
            uuid=UUID(int=number + 1),
            alias=None,
            enabled=True,
            peer_validation=True,
            priority=0,
            certificate=_source("own", self.own.pem.decode()),
            key_file="own.key",
            trusted=(_MISSING,) if self.untrusting else (_source("root", trusted),) if trusted else (),
            revocation=tuple(self.configured),
            interfaces=(),
            peerings=(),
            policy=_POLICY,
        )

    # --- what is seen -----------------------------------------------------------------------------------

    def revoked(self, *certificates: x509.Certificate | Issued) -> bool:
        """Whether all of them are known to be revoked."""
        found = [each.certificate if isinstance(each, Issued) else each for each in certificates]
        return all(
            self.known.lookup(each.issuer.public_bytes(), each.serial_number, each) is not None
            for each in found
        )

    def updates(self) -> list[CrlUpdated]:
        return [entry.event for entry in self.journal.recent() if isinstance(entry.event, CrlUpdated)]


async def status_of(index: Ref) -> RevocationStatus:
    return await index.ask(GetRevocation(), 5 * SECOND)


async def source_of(index: Ref, url: str = URL) -> SourceStatus:
    return next(each for each in (await status_of(index)).sources if each.url == url)


def points(*urls: str) -> tuple[x509.ExtensionType, bool]:
    """Return the extension by which a certificate names addresses."""
    names = [x509.DistributionPoint([x509.UniformResourceIdentifier(url)], None, None, None) for url in urls]
    return x509.CRLDistributionPoints(names), False


_POLICY = Policy(
    rekey_interval=None,
    retransmit_interval=5 * SECOND,
    timeout=10 * SECOND,
    probe_interval=None,
    invalid_certificate_behavior=InvalidCertificateBehavior.FAIL_HARD,
    revocation_check_interval=None,
)


#: What is configured and not there.
_MISSING = CertificateSource("root", "/missing/ca.pem", None, ValidationMode.STRICT)


def _source(name: str, content: str) -> CertificateSource:
    return CertificateSource(name, None, content, ValidationMode.STRICT)


def _no_file(path: str) -> bytes:
    raise FileNotFoundError(2, "No such file or directory", path)
