"""What `warm` compiles beside the crashes: kernels that only blocks with many rows of a kind reach."""

from actors.isolated.kernels import admit_opens, close_terms, opened_cells
from actors.pooling.kernels import close_rows, open_rows
from node.load.wide_blocks import run_wide_blocks


def test_the_kernels_of_many_opens_and_closes_are_compiled() -> None:
    assert run_wide_blocks() > 0
    for kernel in (admit_opens, opened_cells, close_terms, open_rows, close_rows):
        assert kernel.signatures
