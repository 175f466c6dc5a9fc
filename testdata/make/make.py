"""Makes the captures of testdata/: make.py [NAME…], all of them without a name. Root; see make.sh."""
import sys

from scenarios import ALL
from lab import Lab

wanted = sys.argv[1:] or list(ALL)
with Lab() as lab:
    for name in wanted:
        ALL[name](lab)
