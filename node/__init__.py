"""What people meet: the gRPC services and their guards, the command line, the client, feeds, bots and reports.

This is the top floor: it may import everything below, and nothing below imports it. `node.client` stands apart: it
needs the core dependencies only and works where neither Ray nor Numba is installed.
"""
