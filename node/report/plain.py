"""Messages as plain objects: whole numbers as numbers, enums as names without their prefix, bytes in hex."""

from typing import Any

from google.protobuf.message import Message


def plain(message: Message) -> dict[str, Any]:
    """Every field by its proto name, set or not; a message field that is not set is left out."""
    found = {}
    for field in message.DESCRIPTOR.fields:
        if field.message_type is not None and not field.is_repeated and not message.HasField(field.name):
            continue
        value = getattr(message, field.name)
        found[field.name] = [_value(field, item) for item in value] if field.is_repeated else _value(field, value)
    return found


def _value(field: Any, value: Any) -> Any:
    if field.message_type is not None:
        return plain(value)
    if field.enum_type is not None:
        return _name(field.enum_type.values_by_number, value)
    return value.hex() if isinstance(value, bytes) else value


def _name(values: Any, number: int) -> str:
    """LONG for SIDE_LONG: an enum's values begin with its own name."""
    if number not in values:
        return str(number)
    prefix = values[0].name.removesuffix("UNSPECIFIED") if 0 in values else ""
    name: str = values[number].name
    return name.removeprefix(prefix)
