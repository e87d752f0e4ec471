"""python -m hitl_gate is hitl-gate."""

import sys

from .command import main

sys.exit(main())
