"""Phase seal: keys, numbers, validation row by row, parameters, the dead man's switch. What is left is routed."""

from breakwater.v1 import commands_pb2, events_pb2, parameters_pb2
from tests.engine.batches import batch_refusal, commands_of, row_count, row_refusal, shape_refusal
from tests.engine.parameters import apply_margins, apply_tiers, change, put_venue
from tests.engine.state import DONE, Block, Command, R, Refusal, State


def seal(state: State, block: Block) -> None:
    """Reads the batches in order."""
    state.keys = {key: kept for key, kept in state.keys.items() if kept[0] >= block.time_ms}
    _apply_raises(state, block)
    _fire_deadlines(state, block)
    first = 0
    for batch in block.input.batches:
        first += _read(state, block, batch, first)


def _read(state: State, block: Block, batch: commands_pb2.CommandBatch, first: int) -> int:
    """One batch; answers how many commands it was."""
    why = batch_refusal(state, batch, block.height, block.time_ms)
    # A batch of no rows, of too many or of uneven columns is still one question: it gets one answer.
    rows = 1 if shape_refusal(batch) else row_count(batch)
    if why is not None:
        for index in range(first, first + rows):
            refuse(block, Command(index, batch.venue, "", {}), why)
        return rows
    state.keys[batch.principal, batch.request_key] = (batch.expires_ms, block.height)
    # Rows name accounts there were before their batch.
    strangers = [row_refusal(state, command, block.height) for command in _openings(batch, first, rows)]
    for row, command in enumerate(commands_of(batch, first, rows)):
        refusal = strangers[row] if strangers else row_refusal(state, command, block.height)
        if command.index in block.voided:
            refusal = Refusal(R.REFUSAL_VOIDED, 0, 0)
        if refusal is not None:
            refuse(block, command, refusal)
        else:
            _accept(state, block, batch, command)
    return rows


def _openings(batch: commands_pb2.CommandBatch, first: int, rows: int) -> list[Command]:
    return list(commands_of(batch, first, rows)) if batch.HasField("open_subaccounts") else []


def refuse(block: Block, command: Command, why: Refusal) -> None:
    block.refuse((1, command.index, command.venue, 0), command, why)


def _accept(state: State, block: Block, batch: commands_pb2.CommandBatch, command: Command) -> None:
    """Carries out what the registry itself decides, routes the rest."""
    changed = change(state, block, batch, command)
    if isinstance(changed, Refusal):
        refuse(block, command, changed)
    elif changed is not None:
        block.answer(command, DONE, reference=changed)
    elif command.body == "open_accounts":
        number = state.next_account[command.venue]
        state.next_account[command.venue] = number + 1
        command.values["account"] = number
        block.routed.setdefault(command.body, []).append(command)
    elif command.body == "open_subaccounts":
        _open_subaccount(state, block, command)
    elif command.body == "cancel_all_after":
        _arm(state, block, command)
    elif command.body == "validator_progress":
        _progress(state, block, batch, command)
    elif command.body == "void_command":
        voided = events_pb2.CommandVoided(
            voided_height=batch.void_command.height, voided_index=batch.void_command.index
        )
        block.say((1, command.index, 0, 0), 0, 0, 0, command_voided=voided)
        block.answer(command, DONE, reference=batch.void_command.height)
    else:
        if command.body in ("deposits", "insurance_deposit"):
            state.deposited[command.venue] = state.deposited.get(command.venue, 0) + command["amount_atoms"]
        block.routed.setdefault(command.body, []).append(command)


def _open_subaccount(state: State, block: Block, command: Command) -> None:
    """An account as any other; a subaccount's is its owner's (SP-01)."""
    number, owner = state.next_account[command.venue], state.owner_of(command.venue, command["owner"])
    state.next_account[command.venue] = number + 1
    state.owners[command.venue, number] = owner
    told = events_pb2.SubaccountOpened(owner=owner)
    block.say((1, command.index, command.venue, 0), command.venue, 0, number, subaccount_opened=told)
    command.values["account"] = number
    block.routed.setdefault("open_accounts", []).append(command)


def _arm(state: State, block: Block, command: Command) -> None:
    key = (command.venue, command.account)
    deadline = block.time_ms + command["after_ms"] if command["after_ms"] else 0
    if deadline:
        state.deadlines[key] = deadline
    else:
        state.deadlines.pop(key, None)
    armed = events_pb2.CancelAllArmed(deadline_ms=deadline)
    block.say((1, command.index, command.venue, 0), command.venue, 0, command.account, cancel_all_armed=armed)
    block.answer(command, DONE, reference=command.account)


def _progress(state: State, block: Block, batch: commands_pb2.CommandBatch, command: Command) -> None:
    validated = batch.validator_progress.validated_height
    if not (state.validated_height or 0) <= validated < block.height:
        refuse(block, command, Refusal(R.REFUSAL_MALFORMED, 0, 0))
        return
    state.validated_height = validated
    advanced = events_pb2.ValidatorAdvanced(validated_height=validated)
    block.say((1, command.index, 0, 0), 0, 0, 0, validator_advanced=advanced)
    block.answer(command, DONE, reference=validated)


def _apply_raises(state: State, block: Block) -> None:
    """Increases of the maintenance ratio and of tiers whose notice is over."""
    apply_tiers(state, block)
    apply_margins(state, block)
    for venue, (due_ms, ratio_e9) in sorted(state.raises.items()):
        if due_ms > block.time_ms:
            continue
        del state.raises[venue]
        parameters = parameters_pb2.VenueParameters()
        parameters.CopyFrom(state.venues[venue])
        parameters.twilight.maintenance_ratio_e9 = ratio_e9
        put_venue(state, block, -1, parameters)


def _fire_deadlines(state: State, block: Block) -> None:
    """The dead man's switch: everything of the account is cancelled in this block."""
    due = sorted(key for key, deadline in state.deadlines.items() if deadline <= block.time_ms)
    for key in due:
        del state.deadlines[key]
    block.cancel_all = due
