"""Match, UseAfter and the other selectors."""
import re

from crds import log, timestamp, utils
