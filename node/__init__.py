"""What people meet: the gRPC services and their guards, the command line, the client, feeds, bots and reports.

This is the top floor: it may import everything below, and nothing below imports it. `node.client` stands apart: it
needs the core dependencies only and works where neither Ray nor Numba is installed.
"""

import os

# What forks here becomes another program: Ray's processes above all. gRPC's handlers of a fork wake its threads in the
# child, which crash there now and then before it has (3 of 100, while calls are made). Read once, at the first call.
os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")
