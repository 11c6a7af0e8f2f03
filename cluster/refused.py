"""A refusal before a block: in a module of its own, so that who only passes refusals on loads nothing of the engine."""

from breakwater.v1 import refusals_pb2 as refusals


class Refused(Exception):
    """A batch that never reached a block, with the numbers that decided."""

    def __init__(self, refusal: "refusals.Refusal", required: int = 0, actual: int = 0) -> None:
        super().__init__(refusals.Refusal.Name(refusal))
        self.refusal = refusal
        self.required = required
        self.actual = actual
