"""``python -m durafix.tools.cli`` is ``durafix``."""

from .main import main

main()
