"""A receipt as a file: the proof in hex, and beside it what it says in words, which must agree with it."""

from pathlib import Path
from typing import Any

import orjson
from google.protobuf import json_format
from google.protobuf.message import DecodeError

from breakwater.v1 import blocks_pb2
from breakwater.v1 import events_pb2 as evt

FORMAT = "breakwater-receipt-1"
_JSON = orjson.OPT_SORT_KEYS | orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE


class ReceiptFileError(Exception):
    """A file that is no receipt, or whose words and proof disagree; the text says which."""


def receipt_document(receipt: blocks_pb2.Receipt) -> dict[str, Any]:
    """The content of the file: a function of the receipt alone. 64-bit integers are strings, as in proto3 JSON."""
    event = evt.Event.FromString(receipt.event)
    header = blocks_pb2.BlockHeader.FromString(receipt.header.header)
    return {
        "format": FORMAT,
        "event": _words(event),
        "block": {
            "height": str(header.height),
            "block_time_ms": str(header.block_time_ms),
            "events_root": header.events_root.hex(),
            "marks": [_words(mark) for mark in header.marks],
            "rulebooks": list(header.rulebooks),
        },
        "index": receipt.index,
        "count": receipt.count,
        "validator_key": receipt.header.validator_key.hex(),
        "signature": receipt.header.signature.hex(),
        "on_trust": list(receipt.on_trust),
        "receipt": receipt.SerializeToString(deterministic=True).hex(),
    }


def write_receipt(folder: Path, receipt: blocks_pb2.Receipt) -> Path:
    """Write the file <height>-<index>.json into the folder and answer its path."""
    document = receipt_document(receipt)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{document['block']['height']}-{receipt.index}.json"
    path.write_bytes(orjson.dumps(document, option=_JSON))
    return path


def read_receipt(path: Path) -> blocks_pb2.Receipt:
    """The receipt of a file. Raises ReceiptFileError, also where any word beside the proof was changed."""
    try:
        document = orjson.loads(path.read_bytes())
    except OSError as error:
        raise ReceiptFileError(f"{path} cannot be read: {error.strerror}") from error
    except orjson.JSONDecodeError as error:
        raise ReceiptFileError(f"{path} is not JSON: {error}") from error
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise ReceiptFileError(f"{path} is not a {FORMAT} file")
    try:
        receipt = blocks_pb2.Receipt.FromString(bytes.fromhex(document["receipt"]))
        expected = receipt_document(receipt)
    except (KeyError, TypeError, ValueError, DecodeError):
        raise ReceiptFileError(f"{path} holds no receipt that can be decoded") from None
    for name in sorted(expected.keys() | document.keys()):
        if document.get(name) != expected.get(name):
            raise ReceiptFileError(f"{path}: what it says under {name!r} is not what its proof says")
    return receipt


def _words(message: Any) -> dict[str, Any]:
    return json_format.MessageToDict(message, preserving_proto_field_name=True)
