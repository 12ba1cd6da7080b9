"""target-sqlite, whose last release asks for a SQLAlchemy of 2018, on the Python of today."""

import collections
import collections.abc

# It left collections in Python 3.10.
collections.MutableMapping = collections.abc.MutableMapping

from target_sqlite import main

main()
