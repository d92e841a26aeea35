"""Messages with a level, counted."""
import sys
import logging

THE_LOGGER_FORMAT = '%(name)-6s: %(levelname)-8s%(time)s %(message)s'
