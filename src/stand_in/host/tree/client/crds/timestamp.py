"""Times in the forms that rules and servers use."""
import datetime
import re
