"""Arrivals, sizes, depths and lifetimes of synthetic orders, command by command, as compiled code."""
