"""A command that kills whatever process is given it, on Ray: it is found, voided and answered; all else goes on."""

from contextlib import closing
from pathlib import Path

import pytest

from breakwater.v1 import admin_pb2 as admin
from breakwater.v1 import answers_pb2 as answers
from breakwater.v1 import commands_pb2 as commands
from breakwater.v1 import common_pb2 as common
from breakwater.v1 import refusals_pb2 as refusals
from cluster.audit import audit
from cluster.crash_points import VARIABLE
from cluster.host import Host
from tests.building import Chain
from tests.cluster.story import PATIENCE_S, config

pytestmark = [pytest.mark.ray, pytest.mark.soak]

POISON = 0x00C0_FFEE_C0FF


@pytest.mark.parametrize("transport", ["ray", "lane"])
def test_a_command_that_kills_every_process_is_voided(
    transport: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Deadly to the processes of actors and trials, which Ray starts with these settings; this one has read its own.
    monkeypatch.setenv(VARIABLE, "payload:" + POISON.to_bytes(8, "little").hex())
    noticed: list[str] = []
    with closing(Host.open(config(tmp_path, transport=transport, shards=2, notice=noticed.append))) as host:
        _poison(host, noticed)
    assert audit(tmp_path).violations == []


def _poison(host: Host, noticed: list[str]) -> None:
    chain = Chain()

    def seal(*batches: commands.CommandBatch) -> list[answers.BatchOutcome]:
        chain.now_ms += 1_000
        request = admin.SealBlockRequest(block_time_ms=chain.now_ms, root=True, batches=batches)
        return list(host.seal(request).result(PATIENCE_S).outcomes)

    seal(*chain.genesis())
    seal(chain.ticks(50_000), chain.amounts("deposits", a2=1_000))
    poisoned = chain.amounts("deposits", a2=5, a3=POISON, a4=7)
    (before, partly) = seal(chain.amounts("deposits", a5=9), poisoned)
    executed, refused = common.OUTCOME_STATUS_DONE, common.OUTCOME_STATUS_REFUSED
    assert list(before.status) == [executed]
    assert list(partly.status) == [executed, refused, executed]
    assert list(partly.refusal) == [0, refusals.REFUSAL_VOIDED, 0]
    assert "block 3 cannot be executed (ActorCrashed: actor shard/1 died 4 times in the same call)" in noticed[-2]
    (after,) = seal(chain.amounts("deposits", a3=11))
    assert list(after.status) == [executed]
    found = {view.account: view.free_atoms for view in host.accounts(1, [2, 3, 4, 5]).result(PATIENCE_S).accounts}
    assert found == {2: 10**8 + 1_005, 3: 10**8 + 11, 4: 10**8 + 7, 5: 10**8 + 9}
