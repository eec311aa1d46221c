"""`python -m node.cli` is `parvis`."""

from node.cli import main

main(prog_name="parvis")
