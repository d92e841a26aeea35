"""sh_config.py NAME: print one value of the site configuration for a shell script."""
import sys

import config

if __name__ == "__main__":
    sys.exit(config.print_value(sys.argv[1]))
