"""``python -m rnn2circuit``."""

import sys

from rnn2circuit.cli import main

sys.exit(main())
