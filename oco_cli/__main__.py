"""`python -m oco_cli`: the same commands where the `oco` program is not installed."""

from oco_cli.main import main

main()
