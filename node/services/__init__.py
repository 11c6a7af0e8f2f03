"""The gRPC services, one file a noun. They check, ask the host, and answer; they decide nothing."""
