"""How calls reach actors: the same bytes in one process, or to processes on Ray, by its calls or by sockets."""

TRANSPORTS = ("inline", "ray", "lane")
ON_RAY = ("ray", "lane")
