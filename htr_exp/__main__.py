import sys

from htr_exp.cli import main

sys.exit(main())
