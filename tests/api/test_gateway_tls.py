"""TLS in front of a gateway, with certificates made by the openssl of the machine."""

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest

from breakwater.v1 import accounts_pb2
from node.client import Client
from node.gateway.credentials import Tls
from node.gateway.server import GatewayConfig, GatewayServer
from node.server import NodeServer
from node.settings import ConfigError
from tests.api.conftest import TIMEOUT_S
from tests.cli.running import breakwater, only_object

pytestmark = [
    pytest.mark.skipif(shutil.which("openssl") is None, reason="makes its certificates with openssl"),
    pytest.mark.usefixtures("patient"),
]


def openssl(*words: object) -> None:
    """One command of openssl."""
    subprocess.run(["openssl", *map(str, words)], check=True, capture_output=True, timeout=60)


@pytest.fixture(scope="module")
def papers(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with an authority `ca`, and a `server` and a `client` whose certificates it signed."""
    folder = tmp_path_factory.mktemp("papers")
    made = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2")
    openssl("req", "-x509", *made, "-subj", "/CN=ca", "-keyout", folder / "ca.key", "-out", folder / "ca.pem")
    for name, alternative in (("server", "IP:127.0.0.1"), ("client", "DNS:client")):
        extension = folder / f"{name}.ext"
        extension.write_text(f"subjectAltName={alternative}\n", encoding="utf-8")
        key, request = folder / f"{name}.key", folder / f"{name}.csr"
        openssl("req", *made[:-2], "-subj", f"/CN={name}", "-keyout", key, "-out", request)
        signed = ("-CA", folder / "ca.pem", "-CAkey", folder / "ca.key", "-CAcreateserial", "-extfile", extension)
        openssl("x509", "-req", "-in", request, *signed, "-days", "2", "-out", folder / f"{name}.pem")
        key.chmod(0o600)
    return folder


@pytest.fixture
def gateway(node: NodeServer, papers: Path, request: pytest.FixtureRequest) -> Iterator[GatewayServer]:
    """A gateway that speaks TLS, and asks for a client's certificate where the test says so."""
    client_ca = papers / "ca.pem" if request.param else None
    tls = Tls(papers / "server.pem", papers / "server.key", client_ca)
    server = GatewayServer(GatewayConfig([node.address], tls=tls))
    server.start()
    yield server
    server.stop()


def credentials(papers: Path, own: str | None = None) -> grpc.ChannelCredentials:
    """What a client trusts, and shows of itself."""
    pair = [(papers / f"{own}.{end}").read_bytes() for end in ("key", "pem")] if own else [None, None]
    return grpc.ssl_channel_credentials((papers / "ca.pem").read_bytes(), *pair)


def opened(address: str, key: str, trusted: grpc.ChannelCredentials | None) -> int | grpc.StatusCode:
    """An account, or how the way to it ended. Asked once: the client itself would ask until its time is over."""
    with Client(address, key, TIMEOUT_S, trusted) as client:
        try:
            request = accounts_pb2.OpenAccountRequest(venue=1)
            return client.accounts.OpenAccount(request, timeout=TIMEOUT_S).accounts[0]
        except grpc.RpcError as error:
            return error.code()


@pytest.mark.parametrize("gateway", [False], indirect=True)
def test_a_gateway_speaks_tls(gateway: GatewayServer, node: NodeServer, papers: Path) -> None:
    key = node.dev_keys["dev"]
    assert opened(gateway.address, key, credentials(papers)) in range(1, 1_000)
    assert opened(gateway.address, key, None) is grpc.StatusCode.UNAVAILABLE
    assert opened(gateway.address, key, grpc.ssl_channel_credentials()) is grpc.StatusCode.UNAVAILABLE


@pytest.mark.parametrize("gateway", [True], indirect=True)
def test_a_gateway_asks_for_certificates(gateway: GatewayServer, node: NodeServer, papers: Path) -> None:
    key = node.dev_keys["dev"]
    assert opened(gateway.address, key, credentials(papers, "client")) in range(1, 1_000)
    assert opened(gateway.address, key, credentials(papers)) is grpc.StatusCode.UNAVAILABLE


@pytest.mark.parametrize("gateway", [True], indirect=True)
def test_the_command_line_speaks_it_too(
    gateway: GatewayServer, node: NodeServer, papers: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, file in (("CA", "ca.pem"), ("CERT", "client.pem"), ("KEY", "client.key")):
        monkeypatch.setenv(f"BREAKWATER_TLS_{name}", str(papers / file))
    asked = breakwater("status", "--address", gateway.address, "--api-key", node.dev_keys["dev"], "--json")
    assert only_object(asked)["gateway"]["node"] == node.address
    monkeypatch.delenv("BREAKWATER_TLS_KEY")
    asked = breakwater("status", "--address", gateway.address, "--api-key", node.dev_keys["dev"])
    assert (asked.exit_code, "go together" in asked.stderr) == (2, True)


def test_certificates_that_cannot_be_used_are_named(papers: Path, tmp_path: Path) -> None:
    def complaint(certificate: Path, key: Path) -> str:
        with pytest.raises(ConfigError) as caught:
            GatewayServer(GatewayConfig(["127.0.0.1:1"], tls=Tls(certificate, key))).start()
        return str(caught.value)

    good = papers / "server.pem", papers / "server.key"
    assert complaint(tmp_path / "none.pem", good[1]).startswith("cannot read ")
    assert complaint(good[1], good[1]).endswith("holds no PEM block of a certificate")
    assert complaint(good[0], good[0]).endswith("holds no PEM block of a private key")
    opened_key = tmp_path / "open.key"
    shutil.copy(good[1], opened_key)
    opened_key.chmod(0o644)
    assert complaint(good[0], opened_key).endswith("is open to everybody (mode 0644): chmod 600 it")


def test_tls_needs_both_files(papers: Path) -> None:
    asked = breakwater("gateway", "--node", "127.0.0.1:1", "--tls-cert", papers / "server.pem")
    assert (asked.exit_code, "both --tls-cert and --tls-key" in asked.stderr) == (2, True)
