"""`python -m node.cli` is `breakwater`."""

from node.cli.main import app

if __name__ == "__main__":
    app(prog_name="breakwater")
