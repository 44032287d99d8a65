"""`python -m gateway` is `fairmeter`."""

from gateway.cli import main

main()
