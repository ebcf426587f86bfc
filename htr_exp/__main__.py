import sys

from htr_exp.cli.main import main

if __name__ == "__main__":  # processes that examine ground truth import this file again
    sys.exit(main())
