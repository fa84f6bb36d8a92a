"""python -m resnets.documents"""

import sys

from resnets.documents.filling import main

sys.exit(main(sys.argv[1:]))
