"""`breakwater` on a machine where actors die every other second: their waits between rebuilds are forgotten as fast.

In life a minute without a death forgets them; who kills the same actor every few blocks would measure only those waits.
"""

from cluster import backoff
from node.cli.main import app

QUIET_S = 0.5

if __name__ == "__main__":
    backoff.QUIET_S = QUIET_S
    app(prog_name="breakwater")
