"""The bounds of a door, a node's or a gateway's, and their defaults: the table `limits` of a configuration file."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """What one caller, one message and one stream may ask of the door."""

    message_bytes: int = 64 << 20
    metadata_bytes: int = 16 << 10
    batch_rows: int = 50_000
    seal_rows: int = 1_000_000
    calls_per_s: int = 20_000
    calls_in_flight: int = 8_192
    calls_in_flight_per_key: int = 2_048
    streams_per_key: int = 256
    tick_batches_in_flight: int = 32
    order_batches_in_flight: int = 32
    feed_blocks: int = 4_096
    feed_events: int = 500_000
    standing_blocks: int = 4_096
    standing_rows: int = 2_000_000
    key_bytes: int = 64
    key_life_ms: int = 600_000


def server_options(limits: Limits, share_port: bool = False) -> list[tuple[str, int]]:
    """The bounds a gRPC server holds by itself. A port is a server's own unless it is shared with servers alike."""
    return [
        ("grpc.so_reuseport", int(share_port)),
        ("grpc.max_receive_message_length", limits.message_bytes),
        ("grpc.max_send_message_length", limits.message_bytes),
        ("grpc.max_metadata_size", limits.metadata_bytes),
        ("grpc.absolute_max_metadata_size", 2 * limits.metadata_bytes),
        ("grpc.keepalive_time_ms", 30_000),
        ("grpc.keepalive_timeout_ms", 10_000),
        ("grpc.http2.min_ping_interval_without_data_ms", 5_000),
    ]
